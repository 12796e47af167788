"""Containers that an engine refuses: whose fault it is, and what the caller is told."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

import docker
import pytest

from dev import images, servers
from tests.e2e.functions import CHANGES, IMAGE, Functions

NOT_STARTED = "The function's container could not be started: "


@dataclass
class Stage:
    """The functions of a service, with its worker and its engine."""

    run: Functions
    worker: servers.WorkerServer
    engine: servers.EngineServer

    def reason(self, name: str, **fields: object) -> str:
        """Return why the engine refuses a function's container."""
        before = self.worker.log()
        answer = self.run.run(name, ["true"], **fields)
        assert (answer.status, list(answer.json)) == (500, ["message"])
        said = self.worker.log().removeprefix(before)
        assert "The Docker Engine can't be used" not in said
        reason: str = answer.json["message"]
        assert reason.startswith(NOT_STARTED)
        return reason.removeprefix(NOT_STARTED)


@pytest.fixture(scope="module")
def stage(
    module_redis: servers.RedisServer, module_engine: servers.EngineServer
) -> Iterator[Stage]:
    images.import_image(module_engine.host, IMAGE, images.shell_tar(), CHANGES)
    given = {"redis_url": module_redis.url, "docker_host": module_engine.host}
    with servers.service(**given) as web, servers.worker(**given, waiting_per_func=0) as worker:
        yield Stage(Functions(web), worker, module_engine)


@pytest.mark.parametrize(
    "words",
    ["unavailable", "ttrpc: closed: unknown", "No such image: sha256:1", "marked for removal",
     ': no space left on device', 'exec: "/.funcsvc/starter": ', "is already in use"],
)  # fmt: skip
def test_words_in_a_directory_make_no_trouble_for_the_engine(stage: Stage, words: str) -> None:
    name = f"f{abs(hash(words))}"
    path = f"/bin/busybox/{words}"
    shown = path.partition("/.funcsvc")[0]  # the engine says where it could not go on
    assert stage.reason(name, Config={"WorkingDir": path}) == f"lstat {shown}: not a directory."


def test_words_in_the_names_of_containers_make_no_trouble_for_the_engine(stage: Stage) -> None:
    with stage.engine.client() as client:
        for taken in ("ttrpc", "unavailable"):
            client.create_container(IMAGE, ["true"], name=taken)
    missing = "No.such.image"
    for number, (host, reason) in enumerate(
        [
            ({"NetworkMode": "container:unavailable"}, "cannot join network of a non running"),
            ({"NetworkMode": f"container:{missing}"}, f"No such container: {missing}."),
            ({"Links": ["ttrpc:unavailable"]}, "Cannot link to a non running container: /ttrpc AS"),
            ({"Links": [f"{missing}:x"]}, f"could not get container for {missing}: No such"),
            ({"VolumesFrom": [missing]}, f"No such container: {missing}."),
        ]
    ):
        assert stage.reason(f"named-{number}", HostConfig=host).startswith(reason)


@pytest.mark.parametrize(
    ("change", "what"),
    [("WORKDIR /.funcsvc/x", "WorkingDir"), ("VOLUME /.funcsvc/x", "volume")],
)
def test_image_with_a_folder_where_the_starter_is_is_refused(
    stage: Stage, change: str, what: str
) -> None:
    images.import_image(
        stage.engine.host, f"{what.lower()}:v1", images.shell_tar(), [*CHANGES, change]
    )
    refused = stage.run.web.create("refused", f"{what.lower()}:v1")
    assert (refused.status, list(refused.json["errors"])) == (400, ["Config.Image"])
    assert refused.json["message"].endswith(f"has the starter: it has the {what} /.funcsvc/x.")


def test_image_that_came_to_work_in_the_starters_folder_costs_only_its_own_calls(
    stage: Stage,
) -> None:
    images.import_image(stage.engine.host, "folder:latest", images.shell_tar(), CHANGES)
    stage.run.define("folder", ["true"], Config={"Image": "folder"})
    changes = [*CHANGES, "WORKDIR /.funcsvc/x"]
    images.import_image(stage.engine.host, "folder:latest", images.shell_tar(), changes)
    with stage.engine.client() as client:
        before = client.info()["Images"]
    assert "read-only file system" in stage.run.sync("folder").json["message"]
    with stage.engine.client() as client:
        assert client.info()["Images"] == before
    assert stage.run.run("beside", ["echo", "well"]).body == b"well\n"


def test_starter_that_is_gone_from_its_volume_is_installed_again(stage: Stage) -> None:
    """The volume is removed, and the engine makes an empty one with the next container."""
    stage.run.define("starter", ["echo", "well"], HostConfig={"VolumesFrom": ["keeper"]})
    with stage.engine.client() as client:
        client.create_container(IMAGE, ["true"], name="keeper")
        [volume] = client.volumes(filters={"name": "funcsvc-starter-"})["Volumes"]
        servers.wait_until(lambda: removed(client, volume["Name"]), "no container has it")
    assert stage.run.sync("starter").body == b"well\n"


def removed(client: docker.APIClient, volume: str) -> bool:
    """Remove a volume and the containers that have it, and tell whether it is gone."""
    for found in client.containers(all=True, filters={"volume": volume}):
        with contextlib.suppress(docker.errors.APIError):  # the worker is removing it
            client.remove_container(found["Id"], force=True)
    with contextlib.suppress(docker.errors.APIError):
        client.remove_volume(volume)
    return not client.volumes(filters={"name": volume})["Volumes"]


def test_host_port_of_another_function_is_waited_for(stage: Stage) -> None:
    port = servers.free_port()
    host = {"PortBindings": {"80": [{"HostIp": "127.0.0.1", "HostPort": str(port)}]}}
    for name in ("holds", "waits"):
        stage.run.define(name, "sleep 1; echo held", HostConfig=host)
    call_ids = [(name, stage.run.call(name)) for name in ("holds", "waits")]
    answers = [stage.run.output(*call) for call in call_ids]
    assert [(it.status, it.body) for it in answers] == [(200, b"held\n")] * 2


def test_range_of_host_ports_that_others_have_is_waited_for(stage: Stage) -> None:
    port = servers.free_port()
    host = {"PortBindings": {"80": [{"HostIp": "127.0.0.1", "HostPort": f"{port}-{port + 1}"}]}}
    names = ("first", "second", "third")
    for name in names:
        stage.run.define(name, "sleep 1; echo held", HostConfig=host)
    call_ids = [(name, stage.run.call(name)) for name in names]
    answers = [stage.run.output(*call) for call in call_ids]
    assert [(it.status, it.body) for it in answers] == [(200, b"held\n")] * 3
