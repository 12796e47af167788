"""What is measured against what: each contender, how it is started, how one run of it is made."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

from bench import runs
from bench.stage import FILL, PAGE, PENDING, Stage

CREATE, CREATE_BARE, CREATE_ENGINE = "funcsvc", "bare route", "engine"
CREATE_FULL = f"funcsvc, {FILL:,} stored"
INSPECT, GET_BARE = "inspect", "bare GET of a key"
PAGE_SHORT, PAGE_LONG = f"page of {PAGE} from {PAGE}", f"page of {PAGE} from {FILL:,}"
OPEN, SIGNED = "inspect, open, one client", "inspect, signed, one client"
ACCEPT, ACCEPT_BARE, ACCEPT_FULL = "empty queue", "bare route", f"{PENDING:,} pending"
COLD, WARM, DOCKER_RUN, DOCKER_EXEC = (
    "call, none waiting",
    "call, one waiting",
    "docker run",
    "docker exec",
)
LARGE_BYTES, LARGE_TEXT = "call, one waiting, 1 MB of any bytes", "call, one waiting, 1 MB of text"
BURST = "burst of 10"
COLD_CALLS, WARM_CALLS, DOCKER_PY = "calls, none waiting", "calls, instances waiting", "docker-py"


@dataclass(frozen=True)
class Contender:
    """One of those that are measured in turns. `start` gives what `run` is made with.

    A run gives a Run of load, the milliseconds of one call or of several, or calls a second.
    """

    part: str
    name: str
    start: Callable[[Stage], AbstractContextManager[Any]]
    run: Callable[[Stage, Any], Any]


CONTENDERS = (
    Contender("creating", CREATE, runs.service, runs.create_funcs),
    Contender("creating", CREATE_BARE, runs.bare, runs.create_funcs),
    Contender("creating", CREATE_ENGINE, runs.engine, runs.create_containers),
    Contender("creating", CREATE_FULL, runs.service, runs.create_funcs_among_many),
    Contender("reading", INSPECT, runs.service, runs.get_func),
    Contender("reading", GET_BARE, runs.bare, runs.get_func),
    Contender("reading", PAGE_SHORT, runs.service, runs.list_few_funcs),
    Contender("reading", PAGE_LONG, runs.service, runs.list_many_funcs),
    Contender("reading", OPEN, runs.service, runs.get_func_by_one_client),
    Contender("reading", SIGNED, runs.service_with_keys, runs.get_func_signed),
    Contender("accepting", ACCEPT, runs.service, runs.accept_calls),
    Contender("accepting", ACCEPT_BARE, runs.bare, runs.accept_calls),
    Contender("accepting", ACCEPT_FULL, runs.service, runs.accept_calls_behind_many),
    Contender("cold", COLD, runs.worker_without_waiting, runs.call),
    Contender("cold", DOCKER_RUN, runs.docker_command, runs.docker_run),
    Contender("waiting", WARM, runs.worker_with_waiting, runs.call),
    Contender("waiting", DOCKER_RUN, runs.docker_command, runs.docker_run),
    Contender("waiting", DOCKER_EXEC, runs.shared_container, runs.docker_exec),
    Contender("waiting", LARGE_BYTES, runs.worker_with_waiting, runs.call_with_any_bytes),
    Contender("waiting", LARGE_TEXT, runs.worker_with_waiting, runs.call_with_text),
    Contender("waiting", BURST, runs.worker_with_waiting, runs.call_in_a_burst),
    Contender("sustained", COLD_CALLS, runs.worker_without_waiting, runs.call_for_seconds),
    Contender("sustained", WARM_CALLS, runs.worker_with_waiting, runs.call_for_seconds),
    Contender("sustained", DOCKER_PY, runs.engine, runs.drive_docker_py),
)

Turn = Callable[[], Any]


@contextmanager
def started(stage: Stage, part: str) -> Iterator[Mapping[str, Turn]]:
    """Have the contenders of a part started, all at once; give what makes a run of each."""
    with ExitStack() as stack:
        starts = dict.fromkeys(one.start for one in _contenders(part))  # some share one
        given = {start: stack.enter_context(start(stage)) for start in starts}
        yield {one.name: partial(one.run, stage, given[one.start]) for one in _contenders(part)}


def started_for_each_run(stage: Stage, part: str) -> Mapping[str, Turn]:
    """Return what starts a contender of a part, makes a run and ends it, one at a time."""

    def turn(contender: Contender) -> Any:
        with contender.start(stage) as given:
            return contender.run(stage, given)

    return {one.name: partial(turn, one) for one in _contenders(part)}


def take_turns(
    turns: Mapping[str, Turn], rounds: int, names: Sequence[str] = ()
) -> dict[str, list[Any]]:
    """Make a run of each, or of each of these, in every round; return what they gave, in order."""
    taken: dict[str, list[Any]] = {name: [] for name in names or turns}
    for name in interleave([*taken], rounds):
        taken[name].append(turns[name]())
    return taken


def interleave(names: Sequence[str], rounds: int) -> Iterator[str]:
    """Yield every name once a round.

    Each round begins with the next one, and every other goes backwards, so that none has the same
    before it each time.
    """
    for number in range(rounds):
        first = number % len(names)
        order = [*names[first:], *names[:first]]
        yield from order if number % 2 == 0 else reversed(order)


def _contenders(part: str) -> list[Contender]:
    return [one for one in CONTENDERS if one.part == part]
