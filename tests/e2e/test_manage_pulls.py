"""POST /images/create with a real registry: the engine's progress, streamed as it comes."""

from __future__ import annotations

import base64
import contextlib
import http.client
import json
from collections.abc import Iterator

import pytest

from dev import images, servers


@pytest.fixture
def engine_host(module_engine: servers.EngineServer) -> str:
    """The module's engine, for the services that `start` starts."""
    return module_engine.host


@pytest.fixture
def name(
    module_engine: servers.EngineServer, registry: servers.RegistryServer, run_id: str
) -> Iterator[str]:
    """An image that the registry has and the engine lacks."""
    name = f"{registry.domain}/pulled-{run_id}:v1"
    images.push(module_engine.host, name)
    yield name
    images.remove_image(module_engine.host, name)


def pull(web: servers.Service, name: str, **options) -> servers.Answer:
    repository, _, tag = name.rpartition(":")
    return web.request("POST", f"/images/create?fromImage={repository}&tag={tag}", **options)


def lines_of(answer: servers.Answer) -> list[dict]:
    return [json.loads(line) for line in answer.body.splitlines()]


@contextlib.contextmanager
def started_pull(web: servers.Service, name: str) -> Iterator[http.client.HTTPResponse]:
    """Start a pull, and yield the answer while it is still arriving."""
    repository, _, tag = name.rpartition(":")
    with web.connection() as connection:
        connection.request("POST", f"/images/create?fromImage={repository}&tag={tag}")
        with connection.getresponse() as response:
            yield response


def test_missing_image_is_pulled_with_the_engines_progress(
    start, module_engine: servers.EngineServer, name: str
) -> None:
    web = start()
    answer = pull(web, name)
    assert (answer.status, answer.headers["Content-Type"]) == (200, "application/json")
    lines = lines_of(answer)
    assert lines[0]["status"].startswith("Pulling from pulled-")
    assert lines[-1]["status"] == f"Status: Downloaded newer image for {name}"
    assert images.has_image(module_engine.host, name)
    assert lines_of(pull(web, name))[-1]["status"] == f"Status: Image is up to date for {name}"
    assert web.create("hello", name).status == 201


def test_progress_comes_while_the_image_is_still_on_its_way(
    start, module_engine: servers.EngineServer, registry: servers.RegistryServer, name: str
) -> None:
    web = start(threads=5, max_pulls=1)
    with servers.proxy(registry.port) as between:
        between.holds = b"/blobs/"
        slow = name.replace(registry.domain, f"127.0.0.1:{between.port}")
        try:
            with started_pull(web, slow) as response:
                assert response.status == 200
                assert json.loads(response.readline())["status"].startswith("Pulling from ")
                assert not images.has_image(module_engine.host, slow)
                busy = pull(web, name)
                assert (busy.status, int(busy.headers["Retry-After"]) > 0) == (503, True)
                assert web.request("GET", "/healthz").status == 200
                between.release.set()
                rest = response.read().splitlines()
            assert "Downloaded newer image" in json.loads(rest[-1])["status"]
            assert between.held > 0
        finally:
            between.release.set()
            images.remove_image(module_engine.host, slow)
    assert pull(web, name).status == 200, "the turn was not given back"


def test_client_that_goes_away_gives_its_turn_back(
    start, module_engine: servers.EngineServer, registry: servers.RegistryServer, name: str
) -> None:
    web = start(threads=5, max_pulls=1)
    with servers.proxy(registry.port) as between:
        between.holds = b"/blobs/"
        slow = name.replace(registry.domain, f"127.0.0.1:{between.port}")
        try:
            with started_pull(web, slow) as response:
                assert response.readline()
            between.release.set()
            servers.wait_until(lambda: pull(web, name).status == 200, "the turn is given back")
        finally:
            between.release.set()
            images.remove_image(module_engine.host, slow)
    assert "Traceback" not in web.log()


def test_image_that_the_registry_lacks_is_not_found(
    start, registry: servers.RegistryServer, name: str
) -> None:
    web = start()
    for absent in (name.replace(":v1", ":v2"), f"{registry.domain}/no/such/thing:v1"):
        answer = pull(web, absent)
        assert answer.status == 404
        message = f'The registry has no image "{absent}", or denies access to it.'
        assert answer.json == {"message": message}


def test_registry_that_can_not_be_reached_is_500_and_named(start) -> None:
    domain = f"127.0.0.1:{servers.free_port()}"
    answer = pull(start(), f"{domain}/tool:v1")
    assert (answer.status, answer.json) == (
        500,
        {
            "message": f'The registry {domain} can\'t deliver the image "{domain}/tool:v1": '
            "it can't be reached, or failed."
        },
    )


def test_registry_that_never_answers_is_500_within_the_pull_timeout(start) -> None:
    with servers.silent_listener() as domain:
        web = start(pull_timeout_seconds=1)
        answer = pull(web, f"{domain}/tool:v1")
        assert (answer.status, list(answer.json)) == (500, ["message"])
        assert answer.json["message"].startswith(f"The registry {domain} can't deliver the image ")
        assert answer.seconds < servers.PATIENCE_SECONDS / 2
        assert web.is_healthy()


def test_pull_that_the_operator_forbids_is_refused(
    start, module_engine: servers.EngineServer, name: str
) -> None:
    answer = pull(start(pull_policy="never"), name)
    message = f'fromImage is "{name}", but the operator forbids pulls.'
    assert (answer.status, answer.json) == (400, {"message": message})
    assert pull(start(allowed_images="ubuntu"), name).status == 400
    assert not images.has_image(module_engine.host, name)


@pytest.mark.parametrize(("password", "status"), [("secret", 200), ("wrong", 404), (None, 404)])
def test_pull_has_the_operators_credentials(
    start, module_engine: servers.EngineServer, run_id: str, password: str | None, status: int
) -> None:
    with servers.registry_server(login=True) as private, servers.folder() as place:
        name = f"{private.domain}/private-{run_id}:v1"
        images.push(module_engine.host, name, {"username": "user", "password": "secret"})
        if password:
            auth = base64.b64encode(f"user:{password}".encode()).decode()
            config = {"auths": {private.domain: {"auth": auth}}}
            (place / "config.json").write_text(json.dumps(config))
        web = start({"DOCKER_CONFIG": str(place)})
        try:
            answer = pull(web, name)
            assert (answer.status, images.has_image(module_engine.host, name)) == (
                status,
                status == 200,
            )
        finally:
            images.remove_image(module_engine.host, name)
        assert password is None or password not in web.log()
