"""Calls whose containers are ended by something else: they have failed, and say so."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

import docker
import pytest

from dev import servers
from tests.e2e.functions import Functions, running

SHAPES = {"pipes": {}, "terminal": {"Tty": True}}
HANDLES = "trap 'echo half; exit 0' TERM INT HUP; echo begun; while :; do sleep 0.1; done"
SCRIPTS = {"handles": HANDLES, "dies": "echo begun; exec sleep 600"}
TOLD = "The function was ended from outside: its container got signal {}."
ENDED = "The function was ended from outside: its container ended before the function did"


def begin_all(run: Functions, engine: servers.EngineServer, way: str) -> dict[str, str]:
    """Define and call functions of every kind, and return the calls once all have begun."""
    kinds = [(name, shape) for name in SCRIPTS for shape in SHAPES]
    for name, shape in kinds:
        run.define(f"{name}-{shape}-{way}", SCRIPTS[name], Config=SHAPES[shape])
    calls = {name: run.call(name) for name in run.keys if name.endswith(f"-{way}")}
    for name in calls:
        wait_until_begun(engine, name)
    return calls


def wait_until_begun(engine: servers.EngineServer, name: str) -> None:
    """Wait until the container of a function's only call has printed its first line."""

    def has_begun() -> bool:
        with engine.client() as client:
            return any(b"begun" in client.logs(it) for it in running(engine, name))

    servers.wait_until(has_begun, f"{name} has begun", 20)


Act = Callable[[docker.APIClient, str], object]
BY_SOMEBODY: dict[str, tuple[Act, str]] = {
    "stop": (lambda api, it: api.stop(it), TOLD.format("15 (SIGTERM)")),
    "restart": (lambda api, it: api.restart(it), TOLD.format("15 (SIGTERM)")),
    "interrupt": (lambda api, it: api.kill(it, "SIGINT"), TOLD.format("2 (SIGINT)")),
    "hangup": (lambda api, it: api.kill(it, "SIGHUP"), TOLD.format("1 (SIGHUP)")),
    "kill": (lambda api, it: api.kill(it), ENDED),
}


@pytest.mark.parametrize("way", BY_SOMEBODY)
def test_container_that_somebody_ends_fails_its_call_and_says_so(
    run: Functions, module_engine: servers.EngineServer, way: str
) -> None:
    act, message = BY_SOMEBODY[way]
    calls = begin_all(run, module_engine, way)
    with module_engine.client() as client:
        for name in calls:
            for container in running(module_engine, name):
                with contextlib.suppress(docker.errors.APIError):  # it is being removed
                    act(client, container)
    for name, call_id in calls.items():
        answer = run.output(name, call_id)
        assert answer.status == 500
        assert answer.json["message"].startswith(message), name


def test_engine_that_is_stopped_in_good_order_fails_what_it_ran_and_says_so(
    run: Functions, module_engine: servers.EngineServer
) -> None:
    calls = begin_all(run, module_engine, "engine")
    module_engine.end()
    module_engine.start()
    for name, call_id in calls.items():
        answer = run.output(name, call_id)
        assert (answer.status, answer.json) == (500, {"message": TOLD.format("15 (SIGTERM)")}), name
