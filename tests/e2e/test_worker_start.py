"""What a worker finds out about its engine before it takes calls."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Iterator

import docker
import pytest

from dev import images, servers
from funcsvc.engine.containers.starter_volume import CARRIER_LABEL, remove_forgotten
from tests.e2e.functions import CHANGES, IMAGE, Functions, containers, running

REACHED = "functions can reach each other's ports over the engine's network"


@contextlib.contextmanager
def waiting_worker(
    redis: servers.RedisServer, engine: servers.EngineServer, why: str, **settings: object
) -> Iterator[servers.WorkerServer]:
    """Run a worker that can't start yet, and check that it says why, once."""
    with servers.folder() as place:
        worker = servers.make_worker(
            place, redis_url=redis.url, docker_host=engine.host, **settings
        )
        try:
            worker.start(lambda: why in worker.log())
            yield worker
            assert worker.log().count(why) == 1
        finally:
            worker.end()
    assert containers(engine) == []


def test_engine_that_can_start_no_container_gets_no_calls(
    own_redis: servers.RedisServer, module_engine: servers.EngineServer
) -> None:
    why = (
        "the worker can't start yet: The Docker Engine can't be used: it can't start a container: "
        "Unknown runtime specified nope."
    )
    with waiting_worker(own_redis, module_engine, why, runtime="nope") as worker:
        assert "takes calls" not in worker.log()
        assert REACHED not in worker.log()


@pytest.fixture
def web(
    own_redis: servers.RedisServer, module_engine: servers.EngineServer
) -> Iterator[servers.Service]:
    images.import_image(module_engine.host, IMAGE, images.shell_tar(), CHANGES)
    with servers.service(redis_url=own_redis.url, docker_host=module_engine.host) as web:
        yield web


@contextlib.contextmanager
def network(
    engine: servers.EngineServer, name: str, subnet: str = "", **options: str
) -> Iterator[None]:
    """Have a network on an engine, which chooses its addresses if no subnet is given."""
    ipam = {"Config": [{"Subnet": subnet}]} if subnet else None
    with engine.client() as client:
        made = client.create_network(name, driver="bridge", options=options, ipam=ipam)["Id"]
        try:
            yield
        finally:
            client.remove_network(made)


def test_operators_network_is_waited_for_and_then_used(
    web: servers.Service, own_redis: servers.RedisServer, module_engine: servers.EngineServer
) -> None:
    run = Functions(web)
    why = 'it has no network "funcs", which FUNCSVC_NETWORK names.'
    port = servers.free_port()
    bindings = {"80/tcp": [{"HostIp": "127.0.0.1", "HostPort": str(port)}]}
    with (
        waiting_worker(own_redis, module_engine, why, network="funcs") as worker,
        module_engine.client() as client,
    ):
        run.define("bridged", "sleep 30", HostConfig={"PortBindings": bindings})
        call_id = run.call("bridged")
        with network(module_engine, "funcs"):
            servers.wait_until(lambda: "takes calls" in worker.log(), "the worker has started")
            [found] = servers.wait_until(lambda: running(module_engine, "bridged"), "it runs")
            networks = client.inspect_container(found)["NetworkSettings"]["Networks"]
            assert networks.keys() == {"funcs"}
            assert servers.listens(port)
            assert worker.log().count(f"{REACHED} funcs, which has") == 1
            client.remove_container(found, force=True)
        assert run.output("bridged", call_id).status == 500


def test_links_fail_on_the_operators_network_and_are_refused_once_it_is_named(
    web: servers.Service, own_redis: servers.RedisServer, module_engine: servers.EngineServer
) -> None:
    given = {"redis_url": own_redis.url, "docker_host": module_engine.host, "network": "funcs"}
    run, host = Functions(web), {"Links": ["missing:db"]}
    rule = 'must be empty: links have no effect on "funcs", the operator\'s network.'
    run.define("linked", ["true"], HostConfig=host)
    with network(module_engine, "funcs"), servers.worker(**given), servers.service(**given) as now:
        answer = run.sync("linked")
        refused = now.create("linked-too", IMAGE, HostConfig=host)
    assert (answer.status, answer.json["message"]) == (
        500,
        f"The function's container could not be started: HostConfig.Links {rule}",
    )
    assert (refused.status, refused.json["errors"]) == (
        400,
        {"HostConfig.Links": [f'HostConfig.Links is ["missing:db"], but {rule}']},
    )


@pytest.mark.parametrize("communication", ["true", "false"])
def test_worker_warns_if_functions_can_reach_each_other(
    own_redis: servers.RedisServer, module_engine: servers.EngineServer, communication: str
) -> None:
    option = {"com.docker.network.bridge.enable_icc": communication}
    with (
        network(module_engine, "funcs", **option),
        servers.worker(
            redis_url=own_redis.url, docker_host=module_engine.host, network="funcs"
        ) as worker,
    ):
        assert worker.log().count(REACHED) == (communication == "true")


def test_address_of_another_function_is_waited_for_where_the_network_has_no_other(
    web: servers.Service, own_redis: servers.RedisServer, module_engine: servers.EngineServer
) -> None:
    with network(module_engine, "free"), module_engine.client() as client:
        free = client.inspect_network("free")["IPAM"]["Config"][0]["Subnet"].partition("/")[0]
    given = {"redis_url": own_redis.url, "docker_host": module_engine.host, "waiting_per_func": 0}
    run = Functions(web)
    with network(module_engine, "tiny", f"{free}/30"), servers.worker(**given, network="tiny"):
        for name in ("has", "lacks"):
            run.define(name, "sleep 1; echo held")
        call_ids = [(name, run.call(name)) for name in ("has", "lacks")]
        answers = [run.output(*call) for call in call_ids]
        servers.wait_until(lambda: not containers(module_engine), "they are removed")
    assert [(it.status, it.body) for it in answers] == [(200, b"held\n")] * 2


def test_image_of_a_trial_that_was_killed_is_removed_and_no_other(
    module_engine: servers.EngineServer,
) -> None:
    label = [f"LABEL {CARRIER_LABEL}=1"]
    with module_engine.client() as client:

        def import_image(**name: str) -> str:
            said = client.import_image_from_data(images.shell_tar(), changes=label, **name)
            return str(json.loads(said.splitlines()[-1])["status"])

        forgotten, used = import_image(), import_image()
        named = import_image(repository="named")
        container = client.create_container(used, ["true"])
        try:
            remove_forgotten(client, time.time() - 600)
            assert {forgotten, used, named} <= labelled_images(client)
            remove_forgotten(client, time.time() + 60)
            assert labelled_images(client) == {used, named}
        finally:
            client.remove_container(container)
            for image in labelled_images(client):
                client.remove_image(image)


def labelled_images(client: docker.APIClient) -> set[str]:
    return {one["Id"] for one in client.images(filters={"label": [CARRIER_LABEL]})}
