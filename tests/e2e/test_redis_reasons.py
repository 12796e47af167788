"""Why Redis can't be used is named, also where its sentinels stand in between; no secret is."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from redis import Redis

from dev import servers
from funcsvc.config import load_settings
from funcsvc.model.errors import StoreUnavailable
from funcsvc.store import open_stores
from funcsvc.store.connections import make_pool
from funcsvc.store.translation import translated

NO_ENGINE = "unix:///nonexistent"
WATCHED = "sentinel auth-pass"


@pytest.fixture(scope="module")
def certificates() -> Iterator[servers.Certificates]:
    with servers.folder() as place:
        yield servers.make_certificates(place)


def reason(url: str, **more: str) -> str:
    """Return why the Redis at a URL can't be used, or nothing if it can be."""
    settings = load_settings({"FUNCSVC_REDIS_URL": url, **more})
    stores = open_stores(settings)
    try:
        stores.funcs.check()
    except StoreUnavailable as error:
        return error.message.removeprefix("Redis can't be used: ").removesuffix(".")
    finally:
        stores.close()
    return ""


def assert_usable(url: str) -> None:
    """Wait until a Redis can be used: a sentinel looks at it only once a second."""
    servers.wait_until(lambda: reason(url) == "", "Redis can be used")


def at(port: int, login: str = "", options: str = "", scheme: str = "redis") -> str:
    """Return the URL of a sentinel."""
    sign = "?" if options else ""
    return f"{scheme}+sentinel://{login}127.0.0.1:{port}/{servers.SERVICE}/0{sign}{options}"


def test_login_that_is_missing_wrong_or_not_wanted_is_told_apart():
    with servers.redis_server(requirepass="right-word") as locked:
        assert reason(locked.url) == "it wants a password, and none was given"
        for login in (":wrong-word@", "nobody:right-word@"):
            url = locked.url.replace("//", f"//{login}")
            assert reason(url) == "it did not accept the user and password"
        assert reason(locked.url.replace("//", "//:right-word@")) == ""
    with servers.redis_server() as unlocked:
        url = unlocked.url.replace("//", "//:word@")
        assert reason(url) == "it has no password, and one was given"


def test_missing_permission_is_named(own_redis):
    with own_redis.client() as client:
        client.acl_setuser("reader", enabled=True, passwords=["+word"], commands=["+get"])
    url = own_redis.url.replace("//", "//reader:word@")
    assert reason(url) == "its user has no permission for a command or key of this service"


def test_database_that_does_not_exist_is_named(own_redis):
    assert reason(own_redis.url.replace("/0", "/99")) == "it has no database with this number"


def test_host_name_that_does_not_resolve_is_named():
    assert reason("redis://nobody.invalid:1") == "its host name can't be resolved"
    url = "redis+sentinel://nobody.invalid:1/main"
    assert reason(url) == "its sentinel's host name can't be resolved"


def test_address_that_can_not_be_reached_is_named_with_the_reason():
    assert reason(f"redis://127.0.0.1:{servers.free_port()}") == (
        "it can't be reached: connection refused"
    )
    assert reason("redis://[fe80::1]:1") == "it can't be reached: invalid argument"


def test_redis_with_as_many_clients_as_it_accepts_is_named():
    with servers.redis_server(maxclients="1") as small, small.client() as first:
        first.ping()
        assert reason(small.url) == "it has as many clients as it accepts"


def test_redis_is_used_over_a_unix_socket():
    with servers.folder() as place:
        path = place / "socket"
        with servers.redis_server(unixsocket=str(path), requirepass="word"):
            assert reason(f"unix://:word@{path}?db=1") == ""
            assert reason(f"unix://{path}") == "it wants a password, and none was given"


def test_unix_socket_that_is_missing_or_forbidden_is_named():
    with servers.folder() as place:
        path = place / "socket"
        assert reason(f"unix://{path}") == "it can't be reached: no such file or directory"
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(path))
            listener.listen()
            path.chmod(0)
            place.chmod(0)
            with as_nobody():
                assert reason(f"unix://{path}") == "it can't be reached: permission denied"


@contextlib.contextmanager
def as_nobody() -> Iterator[None]:
    """Lose the rights of root, to which every socket is open."""
    before = os.geteuid()
    if before == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(before)


def test_trouble_with_tls_is_named(own_redis, certificates, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    with servers.tls_redis_server(certificates) as redis:
        assert reason(redis.url) == ""
        untrusted = reason(f"rediss://127.0.0.1:{redis.port}")
        assert untrusted.startswith("its TLS certificate isn't valid: ")
        assert reason(redis.url.replace("127.0.0.1", "localhost")) == ""
        assert reason(redis.url.replace("rediss", "redis").partition("?")[0]) == (
            "it ended the connection, which can mean that it wants TLS"
        )
    foreign = servers.make_certificates(elsewhere, "DNS:elsewhere.example")
    with servers.tls_redis_server(foreign) as redis:
        assert reason(redis.url) == "its TLS certificate is for another name"
        assert reason(f"{redis.url}&ssl_check_hostname=false") == ""
    plain = f"rediss://127.0.0.1:{own_redis.port}"
    assert reason(plain, FUNCSVC_REDIS_TIMEOUT_SECONDS="0.5") == (
        "it did not answer the TLS handshake in time"
    )


@pytest.mark.parametrize("is_unix", [True, False])
def test_redis_that_ends_is_not_said_to_want_tls(is_unix):
    with servers.folder() as place:
        options = {"unixsocket": str(place / "socket")} if is_unix else {}
        with servers.redis_server(**options) as redis:
            url = f"unix://{place}/socket" if is_unix else redis.url
            with ThreadPoolExecutor(1) as pool:
                reading = pool.submit(reason_of_a_read, url)
                with redis.client() as client:
                    servers.wait_until(
                        lambda: client.info("clients")["blocked_clients"] == 1, "it waits"
                    )
                redis.kill()
                assert reading.result() == "Redis can't be used: it ended the connection."


def reason_of_a_read(url: str) -> str:
    """Return why a read that waits has failed."""
    with (
        make_pool(url, servers.PATIENCE_SECONDS, 1) as pool,
        pytest.raises(StoreUnavailable) as failure,
        translated(),
    ):
        Redis(connection_pool=pool).blpop(["nothing"], 0)
    return failure.value.message


def test_client_certificate_that_redis_wants_and_does_not_get_is_named(certificates):
    with servers.tls_redis_server(certificates, **{"tls-auth-clients": "yes"}) as redis:
        assert reason(redis.url).startswith("its TLS handshake failed (")
        own = f"&ssl_certfile={certificates.certificate}&ssl_keyfile={certificates.key}"
        assert reason(redis.url + own) == ""


def test_service_that_the_sentinels_do_not_know_is_named(own_redis):
    with servers.sentinel_server(own_redis.port) as sentinel:
        assert_usable(at(sentinel.port))
        url = f"redis+sentinel://127.0.0.1:{sentinel.port}/other"
        assert reason(url) == "its sentinels don't know the service that the URL names"


def test_sentinels_that_see_no_master_or_are_gone_are_named(own_redis):
    with servers.sentinel_server(
        own_redis.port, **{f"sentinel down-after-milliseconds {servers.SERVICE}": "300"}
    ) as sentinel:
        assert_usable(at(sentinel.port))
        own_redis.kill()
        servers.wait_until(
            lambda: reason(at(sentinel.port)) == "its sentinels see no master that is up",
            "the sentinel has noticed",
        )
    assert reason(at(sentinel.port)) == "its sentinel can't be reached: connection refused"


def test_sentinels_with_a_password_are_logged_in_to_apart_from_redis():
    with (
        servers.redis_server(requirepass="of-redis") as redis,
        servers.sentinel_server(
            redis.port,
            **{f"{WATCHED} {servers.SERVICE}": "of-redis", "requirepass": "of/the@sentinel"},
        ) as sentinel,
    ):
        right = "sentinel_password=of%2Fthe%40sentinel"
        assert_usable(at(sentinel.port, ":of-redis@", right))
        assert reason(at(sentinel.port, ":of-redis@")) == (
            "its sentinel wants a password, and none was given"
        )
        assert reason(at(sentinel.port, ":of-redis@", "sentinel_password=of-redis")) == (
            "its sentinel did not accept the user and password"
        )
        assert reason(at(sentinel.port, "", right)) == "it wants a password, and none was given"


def test_sentinels_with_a_user_are_logged_in_to(own_redis):
    rights = "watcher on >watch-word ~* &* +@all"
    with servers.sentinel_server(own_redis.port, user=rights, requirepass="x") as sentinel:
        login = "sentinel_username=watcher&sentinel_password="
        assert_usable(at(sentinel.port, "", f"{login}watch-word"))
        assert reason(at(sentinel.port, "", f"{login}x")) == (
            "its sentinel did not accept the user and password"
        )


def test_sentinels_with_tls_are_asked_over_tls(certificates):
    with (
        servers.tls_redis_server(certificates) as redis,
        servers.sentinel_server(redis.port, certificates) as sentinel,
    ):
        trust = f"ssl_ca_certs={certificates.authority}"
        assert_usable(at(sentinel.port, "", trust, "rediss"))
        assert reason(at(sentinel.port, "", "", "rediss")).startswith(
            "its sentinel's TLS certificate isn't valid: "
        )
        assert reason(at(sentinel.port)) == (
            "its sentinel ended the connection, which can mean that it wants TLS"
        )


def test_sentinels_with_ipv6_addresses_are_asked(own_redis):
    with servers.sentinel_server(own_redis.port) as sentinel:
        gone = servers.free_port()
        hosts = f"[::1]:{gone},[::1]:{sentinel.port},127.0.0.1:{gone}"
        assert_usable(f"redis+sentinel://{hosts}/{servers.SERVICE}")


def test_url_in_a_file_is_used_by_a_service_and_its_password_is_not_shown():
    with servers.redis_server(requirepass="right-word") as redis, servers.folder() as place:
        file = place / "url"
        file.write_text(redis.url.replace("//", "//:wrong-word@") + "\n")
        with servers.service(docker_host=NO_ENGINE, redis_url_file=file) as web:
            answer = web.request("GET", "/funcs")
            said = "Redis can't be used: it did not accept the user and password."
            assert (answer.status, answer.json) == (500, {"message": said})
            assert said in web.log()
            file.write_text(redis.url.replace("//", "//:right-word@") + "\n")
            os.kill(web.pid, signal.SIGHUP)
            servers.wait_until(
                lambda: web.request("GET", "/funcs").status == 200, "the new URL is used"
            )
            assert "-word" not in web.log()


def test_worker_names_the_reason_for_which_it_can_not_start():
    with servers.redis_server(requirepass="right-word") as redis, servers.folder() as place:
        worker = servers.make_worker(place, redis_url=redis.url, docker_host=NO_ENGINE)
        said = "Redis can't be used: it wants a password, and none was given."
        try:
            worker.start(lambda: said in worker.log())
        finally:
            worker.end()
