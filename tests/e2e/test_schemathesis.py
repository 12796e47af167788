"""Checks a running service against its own description, with schemathesis and all its checks."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest

from dev import images, servers
from tests.e2e import calling

MAX_EXAMPLES = 30  # for each operation; about half a minute in all
DEADLINE_SECONDS = 1800  # for what takes one minute on a machine of its own
KEY = "key:secret"
KEPT_FUNC = "kept-by-the-test"


@pytest.fixture
def registry(docker_host: str) -> Iterator[str]:
    """A registry with one image, library/ubuntu, which the description's examples use."""
    with servers.registry_server() as server:
        name = f"{server.domain}/library/ubuntu:latest"
        images.push(docker_host, name)
        try:
            yield server.domain
        finally:
            images.remove_image(docker_host, name)


@pytest.fixture
def web(
    redis_url: str, redis_prefix: str, docker_host: str, image: str
) -> Iterator[servers.Service]:
    """The service with access keys, because schemathesis tries requests without one."""
    with servers.service(
        redis_url=redis_url,
        redis_prefix=redis_prefix,
        docker_host=docker_host,
        workers=2,
        cap_cpus="true",
        access_keys=KEY,
        allow_image_removal="true",
        failed_attempts="100000/minute",
        max_wait_seconds=1,
    ) as server:
        authorization = f"Basic {base64.b64encode(KEY.encode()).decode()}"
        for name in (KEPT_FUNC, "helloworld"):
            body = {"Name": name, "Config": {"Image": image}}
            made = server.request(
                "POST", "/funcs/create", body, headers={"Authorization": authorization}
            )
            assert made.status == 201, made.json
        yield server


def test_service_does_what_its_description_says(
    web: servers.Service,
    image: str,
    registry: str,
    redis_url: str,
    redis_prefix: str,
    tmp_path: Path,
) -> None:
    with calling.calls_of(redis_url, redis_prefix) as calls, calling.worker(calls):
        run = schemathesis(
            tmp_path,
            f"{web.url}/openapi.json",
            f"--auth={KEY}",
            "--checks=all",
            "--phases=examples,coverage,fuzzing,stateful",
            f"--max-examples={MAX_EXAMPLES}",
            "--continue-on-failure",
            *(["--seed=1"] if hypothesis.settings().derandomize else []),
            TEST_IMAGE=image,
            TEST_REGISTRY=registry,
            TEST_FUNC=KEPT_FUNC,
            TEST_FUNC_UUID=json.loads(calls.funcs.get_func(KEPT_FUNC))["UUID"],
        )
    assert run.returncode == 0, run.stdout + run.stderr
    lines = web.access_lines()
    assert {line["status"] for line in lines} >= {200, 201, 204, 400, 401, 404, 405, 409}
    pulls = [line["status"] for line in lines if line["path"] == "/images/create"]
    assert {200, 400, 404} <= set(pulls)
    for kind in ("call", "status", "logs", "output"):
        answers = {line["status"] for line in lines if line["path"].startswith(f"/{kind}/")}
        assert 200 in answers, kind


def schemathesis(place: Path, *arguments: str, **told: str) -> subprocess.CompletedProcess[str]:
    """Run schemathesis. `told` are environment variables for the hooks."""
    given = {"SCHEMATHESIS_HOOKS": "tests.e2e.schemathesis_hooks", "PYTHONPATH": str(servers.ROOT)}
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(place),
        "LANG": "C.UTF-8",
        "NO_COLOR": "1",
    }
    return subprocess.run(
        [Path(sys.executable).with_name("schemathesis"), "run", *arguments],
        cwd=place,
        env=environment | given | told,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=DEADLINE_SECONDS,
        check=False,
    )
