"""The load: wrk over kept connections, and clients that look at each answer."""

import http.client
import json
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import count
from pathlib import Path
from threading import Event
from typing import TypeVar

from bench import BenchFailed
from dev.machine.processes import with_parent
from dev.servers import Answer, Service, exchange

CONNECTIONS = 16
"""Of wrk, and to the engine."""

CLIENTS = 8
"""How many call at once where calls are counted by the second."""

PAYLOAD = b"0123456789abcdef" * 4
"""The 64 bytes that go in and come out."""

TIMEOUT_SECONDS = 60
Times = dict[str, list[float]]
"""Milliseconds by what took them, in the order in which they were taken."""

_T = TypeVar("_T")


@dataclass(frozen=True)
class Run:
    """One run of load. Times are in milliseconds, the rate is by the second."""

    requests: int
    seconds: float
    p50_ms: float
    p99_ms: float

    @property
    def rate(self) -> float:
        return self.requests / self.seconds


def percentile(taken: Sequence[float], percent: int) -> float:
    """Return the value below which this percentage of them is."""
    return sorted(taken)[min(len(taken) - 1, len(taken) * percent // 100)]


@contextmanager
def timed(times: Times, name: str) -> Iterator[None]:
    """Take the time of a block."""
    start = time.perf_counter()
    yield
    times.setdefault(name, []).append((time.perf_counter() - start) * 1000)


def run_wrk(url: str, seconds: float, what: str = "", options: Sequence[str] = ()) -> Run:
    """Make requests of a URL; requests.lua says which, by the words of `what`, by default GET.

    The percentiles are corrected for the requests that a stalled connection did not send.
    Raises BenchFailed unless all are answered 2xx.
    """
    command = ["wrk", "--threads=1", f"--connections={CONNECTIONS}", f"--duration={seconds:g}s"]
    command += [f"--script={Path(__file__).with_name('requests.lua')}", "--timeout=10s", *options]
    command = with_parent("TERM", *command, url, "--", *what.split())
    printed = subprocess.check_output(command, text=True, timeout=seconds + TIMEOUT_SECONDS)
    result = json.loads(printed.splitlines()[-1])
    bad = result.pop("bad")
    if bad or not result["requests"]:
        raise BenchFailed(f"Of {result['requests']:,} requests {bad:,} were not answered 2xx.")
    return Run(**result)


def ask(
    connection: http.client.HTTPConnection, method: str, path: str, body: object = None
) -> Answer:
    """Make a request over a kept connection; raises BenchFailed unless it is answered 2xx."""
    answer = exchange(connection, method, path, body)
    if answer.status >= 300:
        raise BenchFailed(f"{method} {path} was answered {answer.status}: {answer.body[:300]!r}")
    return answer


def call(connection: http.client.HTTPConnection, path: str, payload: bytes = PAYLOAD) -> float:
    """Call `cat`, whose path is NAME/UUID, and wait; return the milliseconds it took."""
    answer = ask(connection, "POST", f"/call/{path}/sync", payload)
    check_output(answer.body, payload)
    return answer.seconds * 1000


def check_output(output: bytes, payload: bytes = PAYLOAD) -> None:
    """Raise BenchFailed unless `cat` gave what went in."""
    if output != payload:
        raise BenchFailed(f"{len(payload)} bytes went in, and {output[:100]!r} came out.")


def call_at_once(service: Service, path: str, goes_on: Callable[[], bool]) -> int:
    """Call again and again by CLIENTS clients; return how many calls that were."""
    connect = partial(service.connection, TIMEOUT_SECONDS)
    return work_at_once(CLIENTS, goes_on, connect, lambda client: call(client, path))


def work_at_once(
    threads: int,
    goes_on: Callable[[], bool],
    connect: Callable[[], AbstractContextManager[_T]],
    work: Callable[[_T], object],
) -> int:
    """Let threads work over connections of their own, again and again; return how often.

    They end soon when this thread is interrupted.
    """
    stop = Event()

    def work_again_and_again(_: int) -> int:
        done = 0
        with connect() as connection:
            while not stop.is_set() and goes_on():
                work(connection)
                done += 1
        return done

    with ThreadPoolExecutor(threads) as pool:
        try:
            return sum(pool.map(work_again_and_again, range(threads)))
        finally:
            stop.set()


def for_seconds(seconds: float) -> Callable[[], bool]:
    """Return what says that a time isn't over yet."""
    end = time.monotonic() + seconds
    return lambda: time.monotonic() < end


def for_count(times: int) -> Callable[[], bool]:
    """Return what says this many times that there is more to do."""
    numbers = count()
    return lambda: next(numbers) < times
