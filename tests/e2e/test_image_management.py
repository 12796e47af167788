"""Images and logins with a real engine and a registry that wants a password."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from dev import images, servers

AUTH = {"username": "user", "password": "secret"}
WRONG = {"username": "user", "password": "wrong-word"}


@pytest.fixture(scope="module")
def registry() -> Iterator[servers.RegistryServer]:
    with servers.registry_server(login=True) as server:
        yield server


@pytest.fixture(scope="module")
def web(
    module_engine: servers.EngineServer, module_redis: servers.RedisServer
) -> Iterator[servers.Service]:
    """A service without credentials of its own, which lets images be removed."""
    with servers.service(
        redis_url=module_redis.url,
        docker_host=module_engine.host,
        allow_image_removal="true",
        engine_remember_seconds=0,
        log_level="debug",
    ) as server:
        yield server


@pytest.fixture
def private(
    module_engine: servers.EngineServer, registry: servers.RegistryServer, run_id: str
) -> Iterator[str]:
    """The name, without its tag v1, of an image that the registry has and the engine lacks."""
    name = f"{registry.domain}/private-{run_id}"
    images.push(module_engine.host, f"{name}:v1", AUTH)
    yield name
    images.remove_image(module_engine.host, f"{name}:v1")


def header(credentials: dict[str, str]) -> dict[str, str]:
    return {"X-Registry-Auth": base64.urlsafe_b64encode(json.dumps(credentials).encode()).decode()}


def pull(web: servers.Service, name: str, headers: dict[str, str] | None = None) -> servers.Answer:
    return web.request("POST", f"/images/create?fromImage={name}&tag=v1", headers=headers)


def test_pull_has_the_clients_own_credentials_and_leaves_no_right_to_the_next(
    web: servers.Service, module_engine: servers.EngineServer, private: str
) -> None:
    for headers in (None, header({}), header(WRONG)):
        assert pull(web, private, headers).status == 404
    assert not images.has_image(module_engine.host, f"{private}:v1")
    pulled = pull(web, private, header(AUTH))
    assert (pulled.status, b"Downloaded newer image" in pulled.body) == (200, True)
    for headers in (None, header({}), header(WRONG)):
        assert pull(web, private, headers).status == 404
    log = web.log()
    for secret in ("secret", "wrong-word", *header(AUTH).values(), *header(WRONG).values()):
        assert secret not in log


def test_pulls_at_the_same_moment_are_answered_each_by_its_own_credentials(
    web: servers.Service, private: str
) -> None:
    with ThreadPoolExecutor(4) as clients:
        many = [header(AUTH), header(WRONG), header(AUTH), header(WRONG)]
        answers = [clients.submit(pull, web, private, headers) for headers in many]
        assert [answer.result(30).status for answer in answers] == [200, 404, 200, 404]


def test_client_with_credentials_gets_them_instead_of_the_operators(
    module_engine: servers.EngineServer,
    module_redis: servers.RedisServer,
    registry: servers.RegistryServer,
    private: str,
) -> None:
    with servers.folder() as place:
        auth = base64.b64encode(b"user:secret").decode()
        config = {"auths": {registry.domain: {"auth": auth}}}
        (place / "config.json").write_text(json.dumps(config))
        given = {"redis_url": module_redis.url, "docker_host": module_engine.host}
        with servers.service({"DOCKER_CONFIG": str(place)}, **given) as web:
            assert pull(web, private, header(WRONG)).status == 404
            assert pull(web, private, header({})).status == 404
            assert pull(web, private).status == 200


def test_login_is_checked_by_the_registry_and_kept_nowhere(
    web: servers.Service, registry: servers.RegistryServer, private: str
) -> None:
    right = web.request("POST", "/auth", {**AUTH, "serveraddress": registry.domain})
    assert (right.status, right.json["Status"]) == (200, "Login Succeeded")
    wrong = web.request("POST", "/auth", {**WRONG, "serveraddress": registry.domain})
    message = f'The registry "{registry.domain}" doesn\'t accept these credentials.'
    assert (wrong.status, wrong.json) == (401, {"message": message})
    nobody = f"http://user:wrong-word@127.0.0.1:{servers.free_port()}/unauthorized"
    away = web.request("POST", "/auth", {**WRONG, "serveraddress": nobody})
    assert away.status == 500
    assert away.json["message"].endswith(": it can't be reached, or failed.")
    assert pull(web, private).status == 404
    assert "secret" not in web.log()
    assert "wrong-word" not in web.log() + away.body.decode()


def test_image_stays_while_a_function_is_defined_with_it(
    web: servers.Service, module_engine: servers.EngineServer, run_id: str
) -> None:
    name, alias = f"kept-{run_id}:v1", f"alias-{run_id}:v1"
    images.import_image(module_engine.host, name, images.tar(true=name.encode()))
    with module_engine.client() as api:
        api.tag(name, *alias.split(":"))
    image_id = web.request("GET", f"/images/{name}/json").json["Id"]
    assert web.create("kept", name).status == 201
    for one in (name, alias, image_id, image_id[7:19]):
        refused = web.request("DELETE", f"/images/{one}?force=1")
        message = f'The image "{one}" can\'t be removed: the function "kept" is defined with it.'
        assert (refused.status, refused.json) == (409, {"message": message})
    assert web.request("DELETE", "/funcs/kept").status == 204
    assert web.request("DELETE", f"/images/{image_id}").status == 409, "it has two names"
    removed = web.request("DELETE", f"/images/{image_id}?force=1")
    assert (removed.status, {"Deleted": image_id} in removed.json) == (200, True)
    assert {name, alias} == {one["Untagged"] for one in removed.json if "Untagged" in one}
    assert web.request("DELETE", f"/images/{name}").status == 404
    listed = [one["Id"] for one in web.request("GET", "/images/json?all=1").json]
    assert image_id not in listed


def test_image_of_a_function_by_its_digest_stays(
    web: servers.Service, module_engine: servers.EngineServer, private: str
) -> None:
    assert pull(web, private, header(AUTH)).status == 200
    (digest,) = web.request("GET", f"/images/{private}:v1/json").json["RepoDigests"]
    assert web.create("digested", digest).status == 201
    for one in (digest, f"{private}:v1"):
        assert web.request("DELETE", f"/images/{one}").status == 409
    assert web.request("DELETE", "/funcs/digested").status == 204
    assert web.request("DELETE", f"/images/{private}:v1").status == 200
    assert not images.has_image(module_engine.host, digest)
