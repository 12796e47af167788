"""The load: wrk over kept connections, and clients of calls that look at each answer."""

from __future__ import annotations

import http.client
import json
import subprocess
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import TypeVar

from bench import BenchFailed
from dev.machine.processes import with_parent
from dev.servers import LOOPBACK, exchange

CONNECTIONS = 16
"""Of wrk, and to the engine."""

CLIENTS = 8
"""How many clients call at once where calls are counted by the second."""

PAYLOAD = b"0123456789abcdef" * 4
"""The 64 bytes that go in and come out."""

_SCRIPT = Path(__file__).with_name("requests.lua")
_TIMEOUT_SECONDS = 60
_T = TypeVar("_T")
GoesOn = Callable[[], bool]


@dataclass(frozen=True)
class Run:
    """One run of load. Times are in milliseconds."""

    requests: int
    seconds: float
    p50_ms: float
    p99_ms: float

    @property
    def rate(self) -> float:
        """Requests per second."""
        return self.requests / self.seconds


def percentile(taken: Sequence[float], percent: int) -> float:
    """Return the value below which this percentage of them is."""
    ordered = sorted(taken)
    return ordered[min(len(ordered) - 1, len(ordered) * percent // 100)]


class Stopwatch:
    """The milliseconds that each stage took, by name. For one thread."""

    def __init__(self) -> None:
        self.taken_ms: defaultdict[str, list[float]] = defaultdict(list)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Take the time of a block."""
        start = time.perf_counter()
        yield
        self.taken_ms[name].append((time.perf_counter() - start) * 1000)


def run_wrk(url: str, seconds: float, what: str = "", *, options: Sequence[str] = ()) -> Run:
    """Make requests of a URL; requests.lua says which, by the words of `what`, by default GET.

    The percentiles are corrected for the requests that a stalled connection did not send.
    Raises BenchFailed unless all are answered 2xx.
    """
    command = ["wrk", "--threads", "1", "--connections", str(CONNECTIONS), "--timeout", "10s"]
    command += ["--duration", f"{seconds:g}s", "--script", str(_SCRIPT), *options, url, "--"]
    done = subprocess.run(
        with_parent("TERM", *command, *what.split()),
        check=False,
        capture_output=True,
        text=True,
        timeout=seconds + _TIMEOUT_SECONDS,
    )
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    if done.returncode != 0 or not lines:
        raise BenchFailed(f"wrk failed: {(done.stdout + done.stderr)[-500:]}")
    result = json.loads(lines[-1])
    bad = result.pop("bad")
    if bad or not result["requests"]:
        raise BenchFailed(f"Of {result['requests']:,} requests {bad:,} were not answered 2xx.")
    return Run(**result)


class CallClient:
    """One kept connection to one func, `cat`, whose `path` is NAME/UUID. For one thread."""

    def __init__(self, port: int, path: str) -> None:
        self.port = port
        self.path = path
        self._connection = http.client.HTTPConnection(LOOPBACK, port, timeout=_TIMEOUT_SECONDS)

    def call_sync(self, payload: bytes = PAYLOAD) -> float:
        """Call and wait for the output; return the milliseconds it took."""
        start = time.perf_counter()
        output = self._request("POST", f"/call/{self.path}/sync", payload)
        taken_ms = (time.perf_counter() - start) * 1000
        if output != payload:
            raise BenchFailed(f"{len(payload)} bytes went in, and {output[:100]!r} came out.")
        return taken_ms

    def enqueue(self) -> str:
        """Call without waiting; return the call's id."""
        return str(json.loads(self._request("POST", f"/call/{self.path}", PAYLOAD))["CallId"])

    def get_output(self, call_id: str) -> bytes:
        """Return the output of a call that has ended; it is removed with that."""
        return self._request("GET", f"/output/{self.path}/{call_id}")

    def count_pending(self) -> int:
        return int(json.loads(self._request("GET", f"/status/{self.path}"))["Pending"])

    def close(self) -> None:
        self._connection.close()

    def _request(self, method: str, path: str, body: bytes | None = None) -> bytes:
        answer = exchange(self._connection, method, path, body)
        if answer.status != 200:
            kind = path.split("/")[1]
            raise BenchFailed(f"/{kind}/… was answered {answer.status}: {answer.body[:300]!r}")
        return answer.body


def call_at_once(make_client: Callable[[ExitStack], CallClient], goes_on: GoesOn) -> int:
    """Call again and again over CLIENTS connections; return how many calls that were."""

    def call(goes_on: GoesOn) -> int:
        with ExitStack() as stack:
            return count_while(goes_on, make_client(stack).call_sync)

    return sum(in_threads(CLIENTS, goes_on, call))


def in_threads(threads: int, goes_on: GoesOn, work: Callable[[GoesOn], _T]) -> list[_T]:
    """Let threads work for as long as they are told to go on, or this one is interrupted."""
    stop = Event()
    with ThreadPoolExecutor(threads) as pool:
        try:
            return list(pool.map(work, [lambda: not stop.is_set() and goes_on()] * threads))
        finally:
            stop.set()


def count_while(goes_on: GoesOn, work: Callable[[], object]) -> int:
    """Work again and again; return how often."""
    count = 0
    while goes_on():
        work()
        count += 1
    return count


def for_seconds(seconds: float) -> GoesOn:
    """Return what says that a time isn't over yet."""
    end = time.monotonic() + seconds
    return lambda: time.monotonic() < end
