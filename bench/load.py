"""The load: wrk over keep-alive connections, and clients of calls that look at each answer."""

from __future__ import annotations

import http.client
import json
import subprocess
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import Any, TypeVar

from bench import BenchFailed

CONNECTIONS = 16
"""Of wrk, and to the engine."""

CLIENTS = 8
"""How many clients call at once where calls are counted by the second."""

PAYLOAD = b"0123456789abcdef" * 4
"""The 64 bytes that go in and come out."""

_SCRIPT = Path(__file__).with_name("requests.lua")
_TIMEOUT_SECONDS = 60
_T = TypeVar("_T")


@dataclass(frozen=True)
class Run:
    """One run of load. Times are in milliseconds, the rate is per second."""

    requests: int
    seconds: float
    p50_ms: float
    p99_ms: float

    @property
    def rate(self) -> float:
        """Requests per second."""
        return self.requests / self.seconds

    @property
    def tail(self) -> float:
        """How many times the median the 99th percentile is."""
        return self.p99_ms / self.p50_ms


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


def run_wrk(
    url: str,
    seconds: float,
    *what: str,
    connections: int = CONNECTIONS,
    headers: Sequence[str] = (),
) -> Run:
    """Make requests of a URL; `what` of them is for requests.lua to say, by default a GET.

    Its percentiles are corrected for the requests that a stalled connection did not send.
    Raises BenchFailed unless all are answered 2xx.
    """
    command = ["setpriv", "--pdeathsig", "TERM", "wrk", "--threads", "1", "--timeout", "10s"]
    command += ["--connections", str(connections), "--duration", f"{seconds:g}s"]
    command += [word for header in headers for word in ("--header", header)]
    command += ["--script", str(_SCRIPT), url, "--", *what]
    done = subprocess.run(
        command, check=False, capture_output=True, text=True, timeout=seconds + _TIMEOUT_SECONDS
    )
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    if done.returncode != 0 or not lines:
        raise BenchFailed(f"wrk failed: {(done.stdout + done.stderr)[-500:]}")
    result = json.loads(lines[-1])
    bad = result.pop("bad")
    if bad or not result["requests"]:
        raise BenchFailed(f"Of {result['requests']:,} requests {bad:,} were not answered 2xx.")
    return Run(**result)


@dataclass(frozen=True)
class CallAddress:
    """Where a func is called: below `/call`, `/output` and `/status`."""

    port: int
    path: str

    @property
    def url(self) -> str:
        """Where a call is accepted."""
        return f"http://127.0.0.1:{self.port}/call/{self.path}"


class CallClient:
    """One keep-alive connection to one func, which is `cat`. For one thread; to be closed."""

    def __init__(self, address: CallAddress) -> None:
        self._path = address.path
        self._connection = http.client.HTTPConnection(
            "127.0.0.1", address.port, timeout=_TIMEOUT_SECONDS
        )

    def call_sync(self, payload: bytes = PAYLOAD) -> float:
        """Call and wait for the output; return the milliseconds it took."""
        start = time.perf_counter()
        output = self._request("POST", f"/call/{self._path}/sync", payload)
        taken_ms = (time.perf_counter() - start) * 1000
        if output != payload:
            raise BenchFailed(f"{len(payload)} bytes went in, and {output[:100]!r} came out.")
        return taken_ms

    def enqueue(self) -> str:
        """Call without waiting; return the call's id."""
        return str(json.loads(self._request("POST", f"/call/{self._path}", PAYLOAD))["CallId"])

    def get_output(self, call_id: str) -> bytes:
        """Return the output of a call that has ended; it is removed with that."""
        return self._request("GET", f"/output/{self._path}/{call_id}")

    def count_pending(self) -> int:
        """Return how many calls are pending."""
        status: dict[str, Any] = json.loads(self._request("GET", f"/status/{self._path}"))
        return int(status["Pending"])

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def _request(self, method: str, path: str, body: bytes | None = None) -> bytes:
        self._connection.request(method, path, body)
        answer = self._connection.getresponse()
        content = answer.read()
        if answer.status != 200:
            kind = path.split("/")[1]
            raise BenchFailed(f"/{kind}/… was answered {answer.status}: {content[:300]!r}")
        return content


def in_threads(
    threads: int, goes_on: Callable[[], bool], work: Callable[[Callable[[], bool]], _T]
) -> list[_T]:
    """Let threads work for as long as they are told to go on, and return what each gives.

    They end soon when one fails, or this thread is interrupted.
    """
    stop = Event()

    def still_goes_on() -> bool:
        return not stop.is_set() and goes_on()

    def work_or_stop(_: int) -> _T:
        try:
            return work(still_goes_on)
        except BaseException:
            stop.set()
            raise

    with ThreadPoolExecutor(threads) as pool:
        try:
            return list(pool.map(work_or_stop, range(threads)))
        finally:
            stop.set()


def call_at_once(address: CallAddress, goes_on: Callable[[], bool]) -> int:
    """Call again and again over CLIENTS connections; return how many calls that were."""

    def call(goes_on: Callable[[], bool]) -> int:
        calls = 0
        with closing(CallClient(address)) as client:
            while goes_on():
                client.call_sync()
                calls += 1
        return calls

    return sum(in_threads(CLIENTS, goes_on, call))


def for_seconds(seconds: float) -> Callable[[], bool]:
    """Return what says that a time isn't over yet."""
    end = time.monotonic() + seconds
    return lambda: time.monotonic() < end
