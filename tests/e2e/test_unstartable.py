"""What can't start is refused, ends its calls at once with its reason, and holds up nobody else."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Sequence

import pytest

from dev import images, servers
from funcsvc.model import MAX_ARGUMENT_BYTES, MAX_ENVIRONMENT_BYTES, argument_bytes
from tests.e2e.functions import CHANGES, IMAGE, Functions, functions, running

LONGEST = 131_071
TOO_LONG = ["PATH=/bin", "A=" + "x" * (LONGEST - 1)]
LAST_WORDS = (
    "The function's container could not be started: its containers ended before it could begin "
    "(exit code 1): exec /.funcsvc/starter: argument list too long."
)
SETTINGS = {"engine_remember_seconds": 0, "waiting_per_func": 1, "slots": 4}


@pytest.fixture(scope="module")
def run(
    module_redis: servers.RedisServer, module_engine: servers.EngineServer
) -> Iterator[Functions]:
    """A service over an engine for this module, which believes nothing that the engine said."""
    with functions(module_redis, module_engine, **SETTINGS) as made:
        yield made


def commit(engine: servers.EngineServer, name: str, env: Sequence[str]) -> None:
    """Give this name to an image with these variables, which is more than an import can set."""
    with contextlib.closing(engine.client()) as client:
        container = client.create_container(IMAGE, ["true"])
        client.commit(container, name, "latest", conf={"Env": [*env], "Cmd": ["sh"]})
        client.remove_container(container)


@contextlib.contextmanager
def started(engine: servers.EngineServer, name: str) -> Iterator[list[str]]:
    """Collect the containers of a function that are started meanwhile."""
    found: list[str] = []
    filters = {"event": "start", "type": "container", "label": f"funcsvc.func={name}"}
    since = f"{time.time():.9f}"
    yield found
    with contextlib.closing(engine.client()) as client:
        events = client.events(since, f"{time.time():.9f}", filters=filters, decode=True)
        found += [event["id"] for event in events]


@pytest.mark.parametrize("option", ["Env", "Cmd"])
def test_longest_word_and_variable_run_and_longer_ones_are_refused(
    run: Functions, option: str
) -> None:
    def config(size: int) -> dict[str, list[str]]:
        text = "A=" + "x" * (size - 2)
        words = ["sh", "-c", "echo ${#0} ${#A}", *([text] if option == "Cmd" else ["zero"])]
        return {"Cmd": words, "Env": [text] if option == "Env" else ["A="]}

    name = f"longest-{option.lower()}"
    answer = run.run(name, [], Config=config(LONGEST))
    expected = f"{LONGEST} 0\n" if option == "Cmd" else f"4 {LONGEST - 2}\n"
    assert (answer.status, answer.body.decode()) == (200, expected)
    index = {"Env": 0, "Cmd": 3}[option]
    refused = run.web.create("longer", run.image, Config=config(LONGEST + 1))
    assert refused.status == 400
    assert list(refused.json["errors"]) == [f"Config.{option}.{index}"]
    changed = run.web.request("PUT", f"/funcs/{name}", {"Config": {"Env": TOO_LONG}})
    assert (changed.status, list(changed.json["errors"])) == (400, ["Config.Env.1"])


def test_most_that_a_definition_may_take_runs_with_the_largest_request(
    run: Functions, module_engine: servers.EngineServer
) -> None:
    path = "PATH=/bin"
    room = MAX_ARGUMENT_BYTES - argument_bytes(["true", path, "B="])
    env = [f"V{number:02}={'x' * 99_987}" for number in range(room // 100_000)]
    commit(module_engine, "laden", [path, *env])
    last = "B=" + "x" * (room % 100_000)
    run.define("laden", ["true"], Config={"Image": "laden", "Env": [last]})
    answer = run.sync("laden", headers={f"X-{number}": "x" * 8000 for number in range(8)})
    assert (answer.status, answer.body) == (200, b"")
    refused = run.web.create("more", "laden", Config={"Cmd": ["true"], "Env": [f"{last}x"]})
    assert (refused.status, list(refused.json["errors"])) == (400, ["Config.Env"])
    body = {"Config": {"Env": [f"{last}x"]}}
    changed = run.web.request("PUT", "/funcs/laden", body)
    assert (changed.status, changed.json) == (400, refused.json)
    assert MAX_ENVIRONMENT_BYTES > 8 * 8000


def test_image_that_became_unstartable_ends_a_call_after_two_containers_with_their_last_words(
    run: Functions, module_engine: servers.EngineServer
) -> None:
    images.import_image(module_engine.host, "moved:latest", images.shell_tar(), CHANGES)
    run.define("moved", ["true"], Config={"Image": "moved"})
    commit(module_engine, "moved", TOO_LONG)
    commit(module_engine, "born", TOO_LONG)
    assert list(run.web.create("born", "born").json["errors"]) == ["Config.Image"]
    with started(module_engine, "moved") as containers:
        answer = run.sync("moved")
    assert (answer.status, answer.json) == (500, {"message": LAST_WORDS})
    assert len(containers) in (2, 3)  # for the call, and ahead of the next


def test_calls_that_can_not_start_hold_up_no_other_func(
    run: Functions, module_engine: servers.EngineServer
) -> None:
    images.import_image(module_engine.host, "stuck:latest", images.shell_tar(), CHANGES)
    run.define("stuck", ["true"], Config={"Image": "stuck"})
    run.define("other", ["true"])
    commit(module_engine, "stuck", TOO_LONG)
    call_ids = [run.call("stuck") for _ in range(5)]
    assert run.sync("other").status == 200
    for call_id in call_ids:
        assert run.output("stuck", call_id).json == {"message": LAST_WORDS}


def test_instance_that_ends_at_once_is_not_made_again_and_again_without_a_call(
    run: Functions, module_engine: servers.EngineServer
) -> None:
    images.import_image(module_engine.host, "ending:latest", images.shell_tar(), CHANGES)
    run.define("ending", ["true"], Config={"Image": "ending"})
    run.define("waits", ["hostname"])
    commit(module_engine, "ending", TOO_LONG)
    with started(module_engine, "ending") as containers:
        assert run.sync("ending").status == 500
        with started(module_engine, "waits") as others:
            for _ in range(3):  # the pool has time to look, and room to make others
                used = run.sync("waits").body.decode().strip()
                servers.wait_until(
                    lambda used=used: [
                        it for it in running(module_engine, "waits") if it[:12] != used
                    ],
                    "an instance waits",
                )
    assert len(others) >= 4
    assert len(containers) in (2, 3)
