"""GET /images/NAME/json and POST /images/create: the engine's own answers, for images only."""

from __future__ import annotations

import pytest

from funcsvc.model import Image, errors
from tests.api.conftest import make_client
from tests.fakes import FakeEngine

PREFIXES = ["", "/v1.23"]
LINES = [b'{"status":"Pulling from library/ubuntu","id":"latest"}\r\n', b'{"status":"Done"}\r\n']
TOOL = "localhost:5000/team/tool:v1"
ID = "sha256:" + "ab" * 32


@pytest.fixture
def engine() -> FakeEngine:
    """An engine that has two images and can pull every other one."""
    image = Image(ID, cmd=["bash"], entrypoint=[])
    engine = FakeEngine({"ubuntu": image, TOOL: image})
    engine.progress = LINES
    return engine


def refused(answer, status: int) -> dict:
    assert (answer.status_code, answer.content_type) == (status, "application/json"), answer.data
    return answer.get_json()


@pytest.mark.parametrize("prefix", PREFIXES)
@pytest.mark.parametrize(
    "name",
    [
        "ubuntu",
        "ubuntu:latest",
        "docker.io/library/ubuntu",
        TOOL,
        ID,
        "localhost:5000%2Fteam%2Ftool:v1",
    ],
)
def test_image_is_answered_as_the_engine_inspects_it(client, engine, prefix, name):
    answer = client.get(f"{prefix}/images/{name}/json")
    assert (answer.status_code, answer.content_type) == (200, "application/json")
    assert answer.get_json() == engine.inspect_image("ubuntu")


@pytest.mark.parametrize("prefix", PREFIXES)
@pytest.mark.parametrize(
    "name", ["nope", "ubuntu:22.04", "Ubuntu", "a b", "create", "json", "nope/json"]
)
def test_image_that_the_engine_lacks_is_not_found(client, prefix, name):
    answer = client.get(f"{prefix}/images/{name}/json")
    assert refused(answer, 404) == {"message": f'The engine has no image "{name}".'}


@pytest.mark.parametrize(
    "path",
    ["/images/../containers/json", "/images/../../containers/json",
     "/images/%2e%2e/containers/json",
     "/images/..%2fcontainers/json", "/images/ubuntu/../../containers/x/json",
     "/images/..%2F..%2F..%2Fetc/json", "/images/ubuntu%3Fx=1/json", "/images/ubuntu%23/json",
     "/images/ubuntu%00/json", "/images/..;/containers/json", "/images/%252e%252e/json",
     "/images/..%5ccontainers/json", "/images/%C0%AE%C0%AE/json", "/images/./ubuntu/json"],
)  # fmt: skip
def test_path_that_leads_away_from_images_is_not_found_and_not_asked_for(client, engine, path):
    asked = []
    engine.inspect_image = lambda name: asked.append(name) or FakeEngine.inspect_image(engine, name)
    body = refused(client.get(path), 404)
    assert body["message"].startswith('The engine has no image "') or (
        body == {"message": "There is nothing at this path."} and not asked
    )


def test_head_and_options_of_an_image(client):
    head, get = client.head("/images/ubuntu/json"), client.get("/images/ubuntu/json")
    assert (head.status_code, head.data) == (200, b"")
    assert head.headers["Content-Length"] == get.headers["Content-Length"]
    assert client.head("/images/nope/json").status_code == 404
    allowed = client.options("/images/create").headers["Allow"]
    assert {*allowed.split(", ")} == {"OPTIONS", "POST", "DELETE"}


@pytest.mark.parametrize("prefix", PREFIXES)
def test_pull_is_answered_with_the_engines_own_progress(client, engine, prefix):
    answer = client.post(f"{prefix}/images/create?fromImage=debian&tag=12")
    assert (answer.status_code, answer.content_type) == (200, "application/json")
    assert answer.data == b"".join(LINES)
    assert "Content-Length" not in answer.headers
    assert engine.pulled == ["docker.io/library/debian:12"]


@pytest.mark.parametrize(
    ("query", "pulled"),
    [
        ("fromImage=debian", "docker.io/library/debian:latest"),
        ("fromImage=debian&tag=", "docker.io/library/debian:latest"),
        ("fromImage=debian:12", "docker.io/library/debian:12"),
        ("fromImage=localhost:5000/a/b&tag=v1", "localhost:5000/a/b:v1"),
        ("fromImage=localhost:5000/a/b", "localhost:5000/a/b:latest"),
        (f"fromImage=debian&tag={ID}", f"docker.io/library/debian@{ID}"),
        (f"fromImage=debian@{ID}", f"docker.io/library/debian@{ID}"),
    ],
)
def test_image_to_pull_is_a_reference_with_an_optional_tag(client, engine, query, pulled):
    assert client.post(f"/images/create?{query}").status_code == 200
    assert engine.pulled == [pulled]


@pytest.mark.parametrize(
    ("query", "option"),
    [
        ("", "fromImage"),
        ("tag=latest", "fromImage"),
        ("fromImage=", "fromImage"),
        ("fromImage=Debian", "fromImage"),
        ("fromImage=../containers", "fromImage"),
        ("fromImage=a b", "fromImage"),
        ("fromImage=a%00", "fromImage"),
        ("fromImage=debian&tag=a b", "tag"),
        ("fromImage=debian&tag=../x", "tag"),
        ("fromImage=debian&tag=sha256:0", "tag"),
        ("fromImage=debian&tag=" + "a" * 129, "tag"),
        ("fromImage=" + "ab" * 32, "fromImage"),
        ("fromSrc=-", "fromSrc"),
        ("fromImage=debian&repo=x", "repo"),
        ("fromimage=debian", "fromimage"),
    ],
)
def test_pull_of_no_reference_is_refused(client, engine, query, option):
    body = refused(client.post(f"/images/create?{query}"), 400)
    assert list(body["errors"]) == [option]
    assert body == {"message": body["message"], "errors": {option: [body["message"]]}}
    assert body["message"].startswith(f"{option} is ")
    assert engine.pulled == []


def test_pull_of_an_image_that_is_not_allowed_is_refused(store, engine):
    client = make_client(store, engine, FUNCSVC_ALLOWED_IMAGES="ubuntu")
    sentence = 'fromImage is "debian:12", but the operator allows only these images: ubuntu.'
    assert refused(client.post("/images/create?fromImage=debian&tag=12"), 400) == {
        "message": sentence,
        "errors": {"fromImage": [sentence]},
    }
    assert engine.pulled == []
    assert client.post("/images/create?fromImage=ubuntu").status_code == 200


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (errors.PullForbidden("debian"), 400),
        (errors.NotInRegistry("debian"), 404),
        (errors.RegistryUnavailable("docker.io", "debian", "it can't be reached, or failed"), 500),
        (errors.EngineUnavailable("it can't be reached"), 500),
        (errors.TooManyPulls(4), 503),
    ],
)
def test_pull_that_fails_at_once_is_an_error_of_its_own(client, engine, error, status):
    engine.progress = [error, *LINES]
    answer = client.post("/images/create?fromImage=debian")
    assert refused(answer, status) == {"message": error.message}
    assert ("Retry-After" in answer.headers) == (status == 503)


def test_engine_that_can_not_be_used_is_named(client, engine):
    engine.fail_with(errors.EngineUnavailable("it did not answer in time"))
    for answer in (
        client.get("/images/ubuntu/json"),
        client.post("/images/create?fromImage=debian"),
    ):
        assert refused(answer, 500) == {
            "message": "The Docker Engine can't be used: it did not answer in time."
        }


def test_pull_that_says_nothing_is_an_empty_answer(client, engine):
    engine.progress = []
    answer = client.post("/images/create?fromImage=debian")
    assert (answer.status_code, answer.data) == (200, b"")


def test_pull_is_ended_when_its_client_goes_away(client, engine):
    ended = []

    def progress(reference, credentials):
        try:
            yield from LINES * 1000
        finally:
            ended.append(reference.canonical)

    engine.pull_progress = progress
    answer = client.post("/images/create?fromImage=debian", buffered=False)
    assert next(answer.iter_encoded()) == LINES[0]
    assert ended == []
    answer.close()
    assert ended == ["docker.io/library/debian:latest"]
