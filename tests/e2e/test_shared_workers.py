"""Functions that share a worker: none keeps it from the others, and each can be ended."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from dev import servers
from tests.e2e.functions import Functions, containers, functions, running, wait_until_no_container


@pytest.fixture(scope="module")
def run(
    module_redis: servers.RedisServer, module_engine: servers.EngineServer
) -> Iterator[Functions]:
    """A service whose one worker has two slots."""
    with functions(module_redis, module_engine, slots=2, waiting_per_func=0) as made:
        yield made
    wait_until_no_container(module_engine)


def test_slow_function_with_many_calls_leaves_a_slot_to_others(run: Functions) -> None:
    run.define("slow", "sleep 1")
    run.define("quick", "echo quick")
    slow = [run.call("slow") for _ in range(12)]
    assert run.sync("quick").body == b"quick\n"
    assert run.counts("slow")["Finished"] <= 4
    run.web.request("DELETE", "/funcs/slow?force=1")
    assert run.output("slow", slow[-1]).status == 404


def test_function_removed_by_force_is_killed_and_who_waits_is_told(
    run: Functions, module_engine: servers.EngineServer
) -> None:
    run.define("endless", "sleep 1000")
    run.define("other", "echo other")
    with ThreadPoolExecutor(4) as clients:
        waiting = [clients.submit(run.sync, "endless") for _ in range(4)]
        servers.wait_until(lambda: len(running(module_engine, "endless")) == 2, "two calls run")
        servers.wait_until(lambda: run.counts("endless")["Total"] == 4, "the others are pending")
        assert run.web.request("DELETE", "/funcs/endless").status == 409
        assert run.web.request("DELETE", "/funcs/endless?force=1").status == 204
        for answer in waiting:
            assert answer.result(timeout=30).status == 410
    servers.wait_until(lambda: not containers(module_engine), "their containers are removed", 60)
    assert run.sync("other").body == b"other\n"
    run.define("endless", "echo again")
    assert run.sync("endless").body == b"again\n"
