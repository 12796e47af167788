"""The README's examples, run as written."""

from __future__ import annotations

import re
import shlex
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from dev import images, servers
from tests.e2e.functions import functions

README = servers.ROOT / "README.md"
FENCE = re.compile(r"^```(?P<language>[a-z]*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
ADDRESS = re.compile(r"http://(?:127\.0\.0\.1|localhost):8000\b")
NORMAL = (
    (re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"), "<uuid>"),
    (re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"), "<created>"),
    (re.compile(r"(?im)^(date|x-request-id): .*$"), r"\1: <value>"),
)


@dataclass(frozen=True)
class Example:
    """A command, and the answer that the document gives for it."""

    command: str
    answer: str


def first_example(text: str) -> Example:
    """Return the first example with a command that starts with `curl -i`.

    A `console` block has `$ ` before the command, and the answer below it. An `sh` block has only
    the command, and the next block has the answer.
    """
    blocks = list(FENCE.finditer(text))
    for number, block in enumerate(blocks):
        lines = block["text"].splitlines(keepends=True)
        if block["language"] == "console" and lines[0].startswith("$ curl -i"):
            end = _end_of_command(lines)
            return Example("".join(lines[:end]).removeprefix("$ "), "".join(lines[end:]))
        if block["language"] == "sh" and lines[0].startswith("curl -i"):
            return Example(block["text"], blocks[number + 1]["text"])
    raise AssertionError("the README has no example that begins with curl -i")


def later_examples(text: str) -> list[Example]:
    """Return the examples of all `console` blocks after the first, in order."""
    examples = []
    for block in [one for one in FENCE.finditer(text) if one["language"] == "console"][1:]:
        for part in re.split(r"^\$ ", block["text"], flags=re.MULTILINE)[1:]:
            lines = part.splitlines(keepends=True)
            end = _end_of_command(lines)
            examples.append(Example("".join(lines[:end]), "".join(lines[end:])))
    return examples


def _end_of_command(lines: list[str]) -> int:
    """Return how many lines the command has. It continues after a backslash or in a quote."""
    for end in range(1, len(lines) + 1):
        text = "".join(lines[:end])
        try:
            shlex.split(text)
        except ValueError:
            continue
        if not text.endswith("\\\n"):
            return end
    raise AssertionError("the command of the README's example has no end")


def normal(text: str) -> str:
    """Return an answer with the parts that change from run to run replaced."""
    for pattern, word in NORMAL:
        text = pattern.sub(word, text)
    return text


def split(answer: str) -> tuple[str, list[str], str]:
    """Return an answer's status line, its sorted header lines, and its body."""
    head, _, body = answer.replace("\r\n", "\n").partition("\n\n")
    status, *headers = head.split("\n")
    return status, sorted(headers, key=str.lower), body


@pytest.fixture(scope="module")
def web(
    module_engine: servers.EngineServer, module_redis: servers.RedisServer
) -> Iterator[servers.Service]:
    """The service with a worker, over an engine with the image that `make run` offers."""
    images.import_image(module_engine.host, "busybox:latest", images.shell_tar())
    with functions(module_redis, module_engine) as made:
        yield made.web


def test_first_example_of_the_readme_answers_what_it_says(web: servers.Service) -> None:
    example = first_example(README.read_text())
    assert ADDRESS.search(example.command), "the example isn't for the service's default address"
    result = subprocess.run(
        ["sh", "-c", ADDRESS.sub(web.url, example.command)],
        env=web.environment,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    status, headers, body = split(normal(result.stdout))
    documented_status, documented_headers, documented_body = split(normal(example.answer))
    assert status == documented_status == "HTTP/1.1 201 CREATED"
    assert body.rstrip("\n") == documented_body.rstrip("\n")
    assert set(documented_headers) <= set(headers)
    assert "Location: /funcs/helloworld" in headers


def test_later_examples_of_the_readme_answer_what_it_says(web: servers.Service) -> None:
    """They need the first example and each other, so one shell runs them all."""
    examples = later_examples(README.read_text())
    assert len(examples) == 8
    name = "helloworld"
    if web.request("GET", f"/funcs/{name}").status == 404:
        assert web.create(name, "busybox").status == 201
    border = "=== the next one ==="
    script = "".join(f"{one.command}printf '\\n%s\\n' '{border}'\n" for one in examples)
    result = subprocess.run(
        ["sh", "-c", ADDRESS.sub(web.url, script)],
        env=web.environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    answers = result.stdout.split(f"\n{border}\n")[:-1]
    documented = [one.answer.rstrip("\n") for one in examples]
    assert [normal(answer).rstrip("\n") for answer in answers] == documented
