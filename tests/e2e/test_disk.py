"""Functions that write to the engine's disk, with a bound on how much."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from dev import images, servers
from tests.e2e.functions import CHANGES, Functions, functions, wait_until_no_container

LIMIT = 10_000_000
MUCH = f"head -c {2 * LIMIT} /dev/zero >/data/file"
HOLDER = "holder"


@pytest.fixture(scope="module")
def run(
    module_redis: servers.RedisServer, module_engine: servers.EngineServer
) -> Iterator[Functions]:
    """A service whose functions may write little, over an engine with an image with a volume."""
    host = module_engine.host
    images.import_image(host, "volume:latest", images.shell_tar(), [*CHANGES, "VOLUME /data"])
    with functions(module_redis, module_engine, max_disk_bytes=LIMIT) as made:
        with module_engine.client() as client:
            client.create_container("volume", ["true"], name=HOLDER)
        yield made
    wait_until_no_container(module_engine)


def volumes(engine: servers.EngineServer) -> int:
    with engine.client() as client:
        return len(client.volumes()["Volumes"])


def test_function_that_fills_the_engines_disk_is_ended_and_told_so(
    run: Functions, module_engine: servers.EngineServer
) -> None:
    before = volumes(module_engine)
    sharing = {"VolumesFrom": [HOLDER]}
    own = {"Image": "volume"}
    run.define("layer", f"mkdir /data; {MUCH}; sleep 60")
    run.define("own-volume", f"{MUCH}; sleep 60", Config=own)
    run.define("shared-volume", f"{MUCH}; sleep 4; rm /data/file; echo ok", HostConfig=sharing)
    run.define("memory", f"{MUCH.replace('/data', '/dev/shm')}; sleep 4; echo ok")
    run.define("little", "head -c 5000000 /dev/zero >/file; sleep 4; echo ok")
    calls = {name: run.call(name) for name in run.keys}
    answers = {name: run.output(name, call_id) for name, call_id in calls.items()}
    sentence = (
        f"The function's files on its container's disk are (\\d+) bytes long, more than the "
        f"{LIMIT} bytes that are allowed, and it was killed."
    )
    for name in ("layer", "own-volume"):
        assert answers[name].status == 500
        found = re.fullmatch(sentence, answers[name].json["message"])
        assert found, answers[name].json
        assert int(found[1]) >= 2 * LIMIT
    for name in ("shared-volume", "memory", "little"):
        assert (answers[name].status, answers[name].body) == (200, b"ok\n"), name
    for name in calls:
        assert run.web.request("DELETE", f"/funcs/{name}").status == 204  # and waiting instances
    servers.wait_until(lambda: volumes(module_engine) == before, "their volumes are gone", 15)
