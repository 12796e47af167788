"""Every example of the API pages, run as written and in order, page after page."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from dev import images, servers
from tests.e2e.test_readme import ADDRESS, FENCE, normal

PAGES = [servers.ROOT / f"docs/{name}.md" for name in ("api", "images", "calling", "access")]
WITH_KEYS = "curl -u mykey:mysecret "
ASSIGNMENT = re.compile(r"(?P<variable>[A-Z]+)=\$\(")


@dataclass(frozen=True)
class Example:
    """A command, and the answer that its page gives for it."""

    command: str
    answer: str


def examples() -> list[Example]:
    """Return each command of the `console` blocks, with the lines below it."""
    found = []
    for block in FENCE.finditer("\n".join(page.read_text() for page in PAGES)):
        if block["language"] == "console":
            assert block["text"].startswith("$ "), block["text"]
            for text in block["text"].removeprefix("$ ").split("\n$ "):
                command, _, answer = text.partition("\n")
                found.append(Example(command, answer.rstrip("\n")))
    return found


@pytest.fixture(scope="module")
def engine(module_engine: servers.EngineServer) -> servers.EngineServer:
    """An engine with the image that the examples use."""
    images.import_image(module_engine.host, "busybox:latest", images.shell_tar())
    return module_engine


@pytest.fixture(scope="module")
def urls(
    engine: servers.EngineServer, module_redis: servers.RedisServer
) -> Iterator[dict[bool, str]]:
    """The URLs of two services: `False` is open and has the func helloworld, `True` needs a key."""
    given = {"redis_url": module_redis.url, "docker_host": engine.host}
    with (
        servers.service(**given) as web,
        servers.service(**given, access_keys="mykey:mysecret") as keyed,
        servers.worker(**given),
    ):
        assert web.create("helloworld", "busybox").status == 201
        yield {False: web.url, True: keyed.url}


def test_page_has_examples_of_every_call():
    commands = "\n".join(example.command for example in examples())
    for word in (
        "/funcs?", "/funcs/helloworld", "-X PUT", "-X DELETE", "/funcs/call/",
        "/images/busybox/json", "/images/create?", "/images/json", "/images/busybox\n", "/auth",
        WITH_KEYS,
        "/call/", "/sync", "/output/", "/wait", "/status/", "/logs/",
    ):  # fmt: skip
        assert word in commands


def test_every_example_answers_what_the_page_says(urls: dict[bool, str]) -> None:
    """A variable that an example sets keeps its value for the examples that follow."""
    wrong, variables = [], {}
    for example in examples():
        assert ADDRESS.search(example.command), f"not for the default address: {example.command}"
        url = urls[example.command.startswith(WITH_KEYS)]
        command = ADDRESS.sub(url, example.command).replace("curl ", "curl -sS ", 1)
        assignment = ASSIGNMENT.match(command)
        if assignment:
            command += f'; echo "${assignment["variable"]}"'
        result = subprocess.run(
            ["sh", "-c", command],
            env={"PATH": servers.SEARCH_PATH, **variables},
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        assert result.returncode == 0, result.stderr
        if assignment:
            variables[assignment["variable"]] = result.stdout.strip()
        elif normal(result.stdout.rstrip("\n")) != normal(example.answer):
            wrong.append((example.command, result.stdout, example.answer))
    assert wrong == []


def test_answer_of_the_keyed_example_needs_the_key(urls: dict[bool, str]) -> None:
    result = subprocess.run(
        ["curl", "-sS", "-o", "/dev/null", "-w", "%{http_code}", f"{urls[True]}/_ping"],
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    assert result.stdout == "401"
