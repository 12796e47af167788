"""Waiting instances: each runs one call of one version, within limits, and none is left behind."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from dev import images, servers
from tests.e2e.functions import CHANGES, Functions, containers, functions, running

FIXED_PORT = servers.free_port()

SETTINGS = {"waiting_per_func": 2, "waiting_instances": 4, "engine_remember_seconds": 0.5}


@pytest.fixture(scope="module")
def run(
    module_redis: servers.RedisServer, module_engine: servers.EngineServer
) -> Iterator[Functions]:
    """A service with few waiting instances, on an engine for this module."""
    with functions(module_redis, module_engine, **SETTINGS) as made:
        yield made
    assert containers(module_engine) == []  # a clean stop leaves no container


def waiting(engine: servers.EngineServer, name: str) -> list[str]:
    """Return the instances that still run after a moment: between calls, the waiting ones."""
    before = running(engine, name)
    time.sleep(0.4)
    return sorted(before & running(engine, name))


def wait_for_waiting(engine: servers.EngineServer, name: str, used: bytes = b"") -> list[str]:
    """Wait until an instance waits and return the ids, without the one whose hostname is `used`."""

    def found() -> list[str]:
        return [it for it in waiting(engine, name) if it[:12] != used.decode().strip()]

    ids: list[str] = servers.wait_until(found, "an instance waits")
    return ids


def instances_of(run: Functions, name: str) -> list[str]:
    """Return the kind of instance that each stored call of a function ran in."""
    path = f"/status/{name}/{run.keys[name]}?list=1"
    return [it.get("Instance", "") for it in run.web.request("GET", path).json["List"]]


def test_function_called_once_has_an_instance_for_the_next_call(
    run: Functions, module_engine: servers.EngineServer
) -> None:
    run.define("next", "cat; hostname")
    assert waiting(module_engine, "next") == []
    used = run.sync("next").body
    ids = wait_for_waiting(module_engine, "next", used)
    answer = run.sync("next", b"payload ")
    assert answer.body.decode().split() == ["payload", ids[0][:12]]
    wait_for_waiting(module_engine, "next", answer.body.removeprefix(b"payload "))
    run.call("next")
    servers.wait_until(lambda: run.counts("next")["Finished"] == 3, "it has ended")
    assert instances_of(run, "next") == ["waiting"]


def test_no_instance_runs_two_calls(run: Functions, module_engine: servers.EngineServer) -> None:
    run.define("single", "hostname; ls /tmp; touch /tmp/seen")
    seen = set()
    for _ in range(6):
        answer = run.sync("single")
        assert len(answer.body.split()) == 1  # /tmp has nothing from another call
        seen.add(answer.body)
        wait_for_waiting(module_engine, "single", answer.body)
    assert len(seen) == 6


def test_update_retires_what_waits(run: Functions, module_engine: servers.EngineServer) -> None:
    run.define("updated", "echo $WORD", Config={"Env": ["WORD=old"]})
    assert run.sync("updated").body == b"old\n"
    before = wait_for_waiting(module_engine, "updated")
    run.web.request("PUT", "/funcs/updated", {"Config": {"Env": ["WORD=new"]}})
    assert run.sync("updated").body == b"new\n"
    servers.wait_until(
        lambda: not {*before} & {it["Id"] for it in containers(module_engine)}, "it is gone", 20
    )


def test_refresh_and_removal_retire_what_waits_without_another_call(
    run: Functions, module_engine: servers.EngineServer
) -> None:
    for name, method, body in (("fresh", "PUT", {"Refresh": True}), ("removed", "DELETE", None)):
        run.define(name, ["true"])
        run.sync(name)
        before = wait_for_waiting(module_engine, name)
        assert run.web.request(method, f"/funcs/{name}", body).status in (200, 204)
        servers.wait_until(
            lambda before=before: not {*before} & {it["Id"] for it in containers(module_engine)},
            "it is gone",
            20,
        )


def test_tag_that_moves_to_another_image_retires_what_waits(
    run: Functions, module_engine: servers.EngineServer
) -> None:
    host = module_engine.host
    images.import_image(host, "moving:latest", images.shell_tar(), [*CHANGES, "ENV WHICH=first"])
    run.define("moving", "echo $WHICH", Config={"Image": "moving"})
    assert run.sync("moving").body == b"first\n"
    wait_for_waiting(module_engine, "moving")
    images.import_image(host, "moving:latest", images.shell_tar(), [*CHANGES, "ENV WHICH=second"])
    time.sleep(SETTINGS["engine_remember_seconds"])  # the time within which a moved tag is noticed
    assert run.sync("moving").body == b"second\n"


@pytest.mark.parametrize("how", ["kill", "remove_container"])
def test_instance_that_was_ended_by_somebody_costs_the_call_nothing(
    run: Functions, module_engine: servers.EngineServer, how: str
) -> None:
    name = how.replace("_", "-")
    run.define(name, ["hostname"])
    ids = wait_for_waiting(module_engine, name, run.sync(name).body)
    with module_engine.client() as client:
        for container in ids:
            options = {"force": True} if how == "remove_container" else {}
            getattr(client, how)(container, **options)
    answer = run.sync(name)
    assert answer.status == 200
    assert answer.body.decode().strip() not in {"", *(it[:12] for it in ids)}


@pytest.mark.parametrize(
    "host_config",
    [
        {"PortBindings": {"80/tcp": [{"HostIp": "127.0.0.1", "HostPort": str(FIXED_PORT)}]}},
        {"VolumesFrom": ["volume-holder"]},
        {"NetworkMode": "container:volume-holder"},
        {"Links": ["volume-holder:other"]},
    ],
    ids=["fixed-port", "volumes", "network", "link"],
)
def test_function_that_is_tied_to_others_has_none_waiting(
    run: Functions, module_engine: servers.EngineServer, host_config: dict[str, object]
) -> None:
    with module_engine.client() as client:
        if not client.containers(all=True, filters={"name": "volume-holder"}):
            script = "trap exit TERM; sleep 600 & wait"
            client.create_container(run.image, ["sh", "-c", script], name="volume-holder")
            client.start("volume-holder")
    name = f"tied-{next(iter(host_config)).lower()}"
    run.define(name, ["echo", "tied"], HostConfig=host_config)
    run.define(f"free-{name}", ["echo", "free"])
    assert run.sync(name).body == b"tied\n"
    run.sync(f"free-{name}")
    wait_for_waiting(module_engine, f"free-{name}")  # time enough for the tied one
    assert waiting(module_engine, name) == []


def test_bounds_of_func_and_worker_hold(
    run: Functions, module_engine: servers.EngineServer
) -> None:
    names = [f"bound-{number}" for number in range(4)]
    for name in names:
        run.define(name, ["true"])
    for _ in range(2):
        for name in names:
            run.sync(name)
    most = 0
    for _ in range(12):
        per_func = [len(running(module_engine, name)) for name in names]
        assert max(per_func) <= 2
        most = max(most, sum(per_func))
        time.sleep(0.1)
    assert 0 < most <= 4


def test_waiting_instance_is_hardened_like_any_other(
    run: Functions, module_engine: servers.EngineServer
) -> None:
    run.define("hard", ["true"], ContainerSize="s1")
    run.sync("hard")
    with module_engine.client() as client:
        host = client.inspect_container(wait_for_waiting(module_engine, "hard")[0])["HostConfig"]
    assert host["SecurityOpt"] == ["no-new-privileges"]
    assert (host["Memory"], host["CapDrop"]) == (64 * 1024 * 1024, ["ALL"])
