"""Pulls from a registry with a login, with credentials stored as the docker CLI stores them."""

from __future__ import annotations

import base64
import contextlib
import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from dev import images, servers

AUTH = {"username": "user", "password": "secret"}
HELPER = """#!/bin/sh
test "$1" = get && test "$(cat)" = "{domain}" || exit 1
echo '{{"ServerURL": "{domain}", "Username": "user", "Secret": "{secret}"}}'
"""


@pytest.fixture(scope="module")
def registry() -> Iterator[servers.RegistryServer]:
    with servers.registry_server(login=True) as server:
        yield server


@pytest.fixture
def private_image(
    module_engine: servers.EngineServer, registry: servers.RegistryServer, run_id: str
) -> Iterator[str]:
    """An image that the registry has and the engine lacks."""
    name = f"{registry.domain}/private-{run_id}:v1"
    images.push(module_engine.host, name, AUTH)
    yield name
    images.remove_image(module_engine.host, name)


@pytest.fixture
def config_folder() -> Iterator[Path]:
    """An empty folder for DOCKER_CONFIG."""
    with servers.folder() as place:
        yield place


@pytest.fixture
def start(
    module_engine: servers.EngineServer, own_redis: servers.RedisServer, config_folder: Path
) -> Iterator[object]:
    """Start the service with the Docker config folder, which is also on its PATH."""
    with contextlib.ExitStack() as stack:

        def start_service(**settings: object) -> servers.Service:
            environment = {
                "DOCKER_CONFIG": str(config_folder),
                "PATH": f"{config_folder}:{os.environ['PATH']}",
            }
            server = servers.service(
                environment, redis_url=own_redis.url, docker_host=module_engine.host, **settings
            )
            return stack.enter_context(server)

        yield start_service


def write_auth(folder: Path, domain: str, password: str) -> None:
    """Write what `docker login` writes."""
    auth = base64.b64encode(f"user:{password}".encode()).decode()
    (folder / "config.json").write_text(json.dumps({"auths": {domain: {"auth": auth}}}))


def write_helper(folder: Path, domain: str, text: str) -> None:
    """Write a credential helper, and a config file that names it."""
    helper = folder / "docker-credential-test"
    helper.write_text(text)
    helper.chmod(0o755)
    (folder / "config.json").write_text(json.dumps({"credHelpers": {domain: "test"}}))


def assert_refused(answer: servers.Answer, name: str, registry: servers.RegistryServer) -> None:
    """Check that an answer is the 400 for an image that the registry doesn't give to us."""
    sentence = (
        f'Config.Image is "{name}", but there is no such image: '
        f"{registry.domain} doesn't have it, or denies access to it."
    )
    assert (answer.status, answer.json) == (
        400,
        {"message": sentence, "errors": {"Config.Image": [sentence]}},
    )


def test_image_that_needs_a_login_is_400_without_credentials(
    start, private_image: str, registry: servers.RegistryServer
) -> None:
    assert_refused(start().create("none", private_image), private_image, registry)


def test_credentials_of_the_docker_config_file_are_used(
    start, private_image: str, registry: servers.RegistryServer, config_folder: Path
) -> None:
    write_auth(config_folder, registry.domain, "secret")
    assert start().create("right", private_image).status == 201


def test_wrong_credentials_are_400_and_stay_secret(
    start, private_image: str, registry: servers.RegistryServer, config_folder: Path
) -> None:
    write_auth(config_folder, registry.domain, "wrong-word")
    web = start()
    assert_refused(web.create("wrong", private_image), private_image, registry)
    assert "wrong-word" not in web.log()


def test_credentials_written_after_the_start_are_used_without_a_restart(
    start, private_image: str, registry: servers.RegistryServer, config_folder: Path
) -> None:
    web = start()
    assert_refused(web.create("later", private_image), private_image, registry)
    write_auth(config_folder, registry.domain, "wrong-word")
    assert_refused(web.create("later", private_image), private_image, registry)
    write_auth(config_folder, registry.domain, "secret")
    assert web.create("later", private_image).status == 201


def test_credential_helper_is_asked(
    start, private_image: str, registry: servers.RegistryServer, config_folder: Path
) -> None:
    domain = registry.domain
    write_helper(config_folder, domain, HELPER.format(domain=domain, secret="wrong-word"))
    web = start()
    assert_refused(web.create("helped", private_image), private_image, registry)
    write_helper(config_folder, domain, HELPER.format(domain=domain, secret="secret"))
    assert web.create("helped", private_image).status == 201


def test_credentials_of_another_registry_are_not_sent(
    start, private_image: str, registry: servers.RegistryServer, config_folder: Path
) -> None:
    write_auth(config_folder, "registry.example.com", "secret")
    assert_refused(start().create("other", private_image), private_image, registry)


def test_credential_helper_that_hangs_is_500_within_the_pull_timeout(
    start, private_image: str, registry: servers.RegistryServer, config_folder: Path
) -> None:
    write_helper(config_folder, registry.domain, "#!/bin/sh\nexec sleep 600\n")
    answer = start(pull_timeout_seconds=1).create("hung-helper", private_image)
    assert answer.status == 500
    assert answer.seconds < servers.PATIENCE_SECONDS / 2


def test_missing_credential_helper_is_500_that_names_the_credentials(
    start, private_image: str, registry: servers.RegistryServer, config_folder: Path
) -> None:
    config = {"credHelpers": {registry.domain: "missing"}}
    (config_folder / "config.json").write_text(json.dumps(config))
    web = start()
    answer = web.create("helpless", private_image)
    assert answer.status == 500
    assert "credential" in answer.json["message"]
    assert "Traceback" not in web.log()


def test_unreadable_docker_config_is_no_credentials_as_for_the_docker_cli(
    start, private_image: str, registry: servers.RegistryServer, config_folder: Path
) -> None:
    (config_folder / "config.json").write_text("not JSON")
    web = start()
    assert_refused(web.create("unreadable", private_image), private_image, registry)
    assert "Traceback" not in web.log()


def test_present_image_needs_no_docker_config(
    start, module_engine: servers.EngineServer, config_folder: Path
) -> None:
    (config_folder / "config.json").write_text("not JSON")
    with images.imported(module_engine.host, "present:v1") as name:
        assert start().create("present", name).status == 201
