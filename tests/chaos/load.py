"""The load: a few calls a second, of a few functions, while faults happen."""

from __future__ import annotations

import contextlib
import http.client
import threading
import time
from collections.abc import Iterator

from tests.e2e.plant import Plant

SCRIPTS = {
    "short": "cat",
    "slow": "sleep 1.5; echo done",
    "bad": "exit 3",
    "large": "head -c 300000 /dev/zero",
}
PAUSE_SECONDS = 0.25
MAX_CALLS = 400


class Load:
    """Sequential asynchronous calls. `unknown` counts those that got no answer."""

    def __init__(self, plant: Plant) -> None:
        self._plant = plant
        self.unknown = 0
        self.refused = 0

    @property
    def accepted_calls(self) -> int:
        """The number of calls that got an id."""
        return sum(len(call_ids) for call_ids in self._plant.accepted.values())

    def define_functions(self) -> None:
        """Define the functions to call."""
        for name, script in SCRIPTS.items():
            self._plant.define(name, script)

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """Make calls while the body runs."""
        ended = threading.Event()
        thread = threading.Thread(target=self._call_until, args=(ended,))
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join(60)

    def _call_until(self, ended: threading.Event) -> None:
        names = [*SCRIPTS]
        for number in range(MAX_CALLS):
            if ended.wait(PAUSE_SECONDS):
                return
            self._call(names[number % len(names)], str(number))

    def _call(self, name: str, payload: str) -> None:
        functions = self._plant.functions
        path = f"/call/{name}/{functions.keys[name]}"
        try:
            answer = self._plant.web.request("POST", path, payload.encode(), timeout=15)
        except (OSError, http.client.HTTPException):
            self.unknown += 1
            time.sleep(PAUSE_SECONDS)
            return
        if answer.status == 200:
            self._plant.accepted[name].append(answer.json["CallId"])
        else:
            self.refused += 1
