"""Pulls of missing images from a real registry: found, absent, unreachable, too many at once."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from dev import images, servers


@pytest.fixture
def engine_host(module_engine: servers.EngineServer) -> str:
    """The module's engine, for the services that `start` starts."""
    return module_engine.host


@pytest.fixture
def pushed(
    module_engine: servers.EngineServer, registry: servers.RegistryServer, run_id: str
) -> Iterator[object]:
    """Push images that the engine then lacks. Their names end with the run's id."""
    names = []

    def push(tool: str) -> str:
        name = f"{registry.domain}/{tool}-{run_id}:v1"
        names.append(name)
        images.push(module_engine.host, name)
        return name

    yield push
    for name in names:
        images.remove_image(module_engine.host, name)


def assert_no_such_image(answer: servers.Answer, name: str, reason: str) -> None:
    """Check that an answer is the 400 for an image that can't be found."""
    sentence = f'Config.Image is "{name}", but there is no such image: {reason}.'
    assert (answer.status, answer.json) == (
        400,
        {"message": sentence, "errors": {"Config.Image": [sentence]}},
    )


def assert_nothing_stored(own_redis: servers.RedisServer) -> None:
    with own_redis.client() as client:
        assert list(client.scan_iter("*")) == []


def refused(domain: str) -> str:
    return f"{domain} doesn't have it, or denies access to it"


def test_missing_image_is_pulled(start, pushed, module_engine: servers.EngineServer) -> None:
    name = pushed("present")
    assert not images.has_image(module_engine.host, name)
    answer = start().create("present", name)
    assert (answer.status, answer.json["Config"]["Image"]) == (201, name)
    assert images.has_image(module_engine.host, name)


def test_missing_image_is_pulled_by_its_digest(
    start, pushed, module_engine: servers.EngineServer, registry: servers.RegistryServer
) -> None:
    tagged = pushed("digested")
    name = f"{tagged.removesuffix(':v1')}@{registry.digest(tagged)}"
    web = start()
    try:
        answer = web.create("digested", name)
        assert (answer.status, answer.json["Config"]["Image"]) == (201, name)
        assert images.has_image(module_engine.host, name)
    finally:
        images.remove_image(module_engine.host, name)
    absent = f"{tagged.removesuffix(':v1')}@sha256:{'0' * 64}"
    assert_no_such_image(web.create("absent", absent), absent, refused(registry.domain))


def test_absent_tag_and_absent_repository_are_400(
    start, pushed, registry: servers.RegistryServer, own_redis: servers.RedisServer
) -> None:
    web = start()
    for name in (pushed("tagged").replace(":v1", ":v2"), f"{registry.domain}/no/such/thing"):
        assert_no_such_image(web.create("absent", name), name, refused(registry.domain))
    assert_nothing_stored(own_redis)


class NoPage(BaseHTTPRequestHandler):
    """Answers as a web server that has no such page."""

    def do_GET(self) -> None:
        page = b"404 page not found\n"
        self.send_response(404)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Content-Length", str(len(page)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(page)

    def do_HEAD(self) -> None:
        self.do_GET()

    def log_message(self, *_: object) -> None:
        pass


@contextlib.contextmanager
def website() -> Iterator[str]:
    """Serve nothing but pages that say that there is no page."""
    with ThreadingHTTPServer(("127.0.0.1", 0), NoPage) as server:
        serving = threading.Thread(target=server.serve_forever, args=(0.05,))
        serving.start()
        try:
            yield f"127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            serving.join()


def test_registry_that_only_has_pages_is_500_and_not_taken_for_one_without_the_image(
    start, own_redis: servers.RedisServer
) -> None:
    with website() as domain:
        assert_not_delivered(start(), domain)
    assert_nothing_stored(own_redis)


def test_unreachable_registry_is_500_and_named(start, own_redis: servers.RedisServer) -> None:
    assert_not_delivered(start(), f"127.0.0.1:{servers.free_port()}")
    assert_nothing_stored(own_redis)


def assert_not_delivered(web: servers.Service, domain: str) -> None:
    answer = web.create("far", f"{domain}/tool:v1")
    assert (answer.status, answer.json) == (
        500,
        {
            "message": f'The registry {domain} can\'t deliver the image "{domain}/tool:v1": '
            "it can't be reached, or failed."
        },
    )


def test_registry_that_never_answers_is_500_within_the_pull_timeout(
    start, own_redis: servers.RedisServer
) -> None:
    with servers.silent_listener() as domain:
        web = start(pull_timeout_seconds=1)
        answer = web.create("silent", f"{domain}/tool:v1")
        assert (answer.status, answer.json) == (
            500,
            {
                "message": f'The registry {domain} can\'t deliver the image "{domain}/tool:v1": '
                "it was not pulled within 1 seconds."
            },
        )
        assert answer.seconds < servers.PATIENCE_SECONDS / 2
        assert web.is_healthy()
    assert_nothing_stored(own_redis)


def test_pull_policy_never_refuses_a_missing_image_and_takes_a_present_one(
    start, pushed, module_engine: servers.EngineServer
) -> None:
    name = pushed("never")
    web = start(pull_policy="never", engine_remember_seconds=0)
    reason = "the engine doesn't have it, and pulls are turned off"
    assert_no_such_image(web.create("never", name), name, reason)
    assert not images.has_image(module_engine.host, name)
    with images.imported(module_engine.host, name):
        assert web.create("never", name).status == 201


def test_image_that_is_not_allowed_is_refused_before_it_is_pulled(
    start, pushed, module_engine: servers.EngineServer, registry: servers.RegistryServer
) -> None:
    forbidden, allowed = pushed("forbidden"), pushed("allowed")
    pattern = f"{registry.domain}/allowed-*"
    web = start(allowed_images=pattern)
    with images.pull_events(module_engine.host) as pulls:
        answer = web.create("forbidden", forbidden)
        sentence = (
            f'Config.Image is "{forbidden}", but the operator allows only these images: {pattern}.'
        )
        assert (answer.status, answer.json) == (
            400,
            {"message": sentence, "errors": {"Config.Image": [sentence]}},
        )
        assert web.create("allowed", allowed).status == 201
        assert pulls() == [allowed]


def test_size_that_is_too_large_is_refused_before_anything_is_pulled(
    start, pushed, module_engine: servers.EngineServer
) -> None:
    name = pushed("large")
    answer = start().create("large", name, ContainerSize="m2")
    assert (answer.status, list(answer.json["errors"])) == (400, ["ContainerSize"])
    assert not images.has_image(module_engine.host, name)


def test_creates_of_one_missing_image_pull_it_once(
    start, pushed, module_engine: servers.EngineServer, registry: servers.RegistryServer
) -> None:
    name = pushed("once")
    web = start(workers=2, threads=16, max_pulls=10)
    with images.pull_events(module_engine.host) as pulls:
        with ThreadPoolExecutor(10) as clients:
            answers = list(clients.map(lambda n: web.create(f"once-{n}", name), range(10)))
        assert [answer.status for answer in answers] == [201] * 10
        assert pulls() == [name]


def test_failed_pull_does_not_stand_in_the_way_of_the_next(
    start, pushed, module_engine: servers.EngineServer, registry: servers.RegistryServer
) -> None:
    later = f"{registry.domain}/later:v1"
    web = start()
    assert web.create("later", later).status == 400
    images.push(module_engine.host, later)
    try:
        assert web.create("later", later).status == 201
    finally:
        images.remove_image(module_engine.host, later)


def test_more_requests_than_may_wait_for_pulls_are_503_and_health_answers(
    start, pushed, registry: servers.RegistryServer, module_engine: servers.EngineServer
) -> None:
    with servers.proxy(registry.port, is_open=False) as between:
        domain = f"127.0.0.1:{between.port}"
        names = [pushed(tool).replace(registry.domain, domain) for tool in ("slow", "slower")]
        web = start(threads=6, max_pulls=2)
        with ThreadPoolExecutor(2) as clients:
            waiting = [clients.submit(web.create, f"slow-{n}", names[n]) for n in range(2)]
            try:
                servers.wait_until(lambda: between.accepted >= 2, "both pulls have begun")
                busy = web.create("busy", f"{domain}/third:v1")
                assert (busy.status, busy.json) == (
                    503,
                    {
                        "message": "The image must be pulled, but 2 requests are already waiting "
                        "for pulls: try again in a few seconds."
                    },
                )
                assert int(busy.headers["Retry-After"]) > 0
                health = [web.request("GET", "/healthz") for _ in range(8)]
                assert [answer.status for answer in health] == [200] * 8
                assert not any(create.done() for create in waiting)
            finally:
                between.gate.set()
            assert [create.result().status for create in waiting] == [201, 201]
        for name in names:
            images.remove_image(module_engine.host, name)
