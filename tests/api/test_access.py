"""Access to the management API: keys, signatures, limits, and loopback without keys."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.api.conftest import make_client
from tests.fakes import FakeEngine
from tests.signing import KEY, SECRET, authorization_of, headers_of

CHALLENGES = [
    'Basic realm="funcsvc", charset="UTF-8"',
    'HYPER-HMAC-SHA256 realm="funcsvc"',
]
NO_KEY = "An access key is needed: Authorization must be Basic or HYPER-HMAC-SHA256."
UNKNOWN, WRONG_SECRET = "The access key is unknown.", "The secret key is wrong."
WRONG = "The signature is wrong."
MANAGED = [
    ("POST", "/funcs/create"), ("GET", "/funcs"), ("GET", "/funcs/hello"), ("PUT", "/funcs/hello"),
    ("DELETE", "/funcs/hello"), ("GET", "/funcs/call/x"), ("GET", "/images/ubuntu/json"),
    ("POST", "/images/create"), ("GET", "/_ping"), ("GET", "/version"), ("OPTIONS", "/funcs"),
    ("HEAD", "/funcs"),
]  # fmt: skip
EVIL_HOSTS = [
    "evil.example", "evil.example:8000", "localhost.evil.example", "127.0.0.1.evil.example", "",
    "10.0.0.1", "0.0.0.0:8000", "[::2]", "host.docker.internal",
]  # fmt: skip
JSON = {"content_type": "application/json"}


@pytest.fixture
def keyed(store, engine, redis_url, redis_prefix):
    """Make clients of a service with keys, which counts failed attempts in the real Redis."""

    def make(keys: str = f"mykey:mysecret,{KEY}:{SECRET}", **environment: str):
        own = {"FUNCSVC_REDIS_URL": redis_url, "FUNCSVC_REDIS_PREFIX": redis_prefix}
        return make_client(store, engine, **own, FUNCSVC_ACCESS_KEYS=keys, **environment)

    return make


def basic(text: str) -> dict[str, str]:
    return {"Authorization": f"Basic {base64.b64encode(text.encode()).decode()}"}


def signed(
    path: str, *, query="", method="GET", body=b"", at: datetime | None = None, **more
) -> dict:
    """Return the headers of a request that is signed by hand for the Host of werkzeug's client."""
    date = (at or datetime.now(UTC)).strftime("%Y%m%dT%H%M%SZ")
    headers = {**headers_of(body, **more), "host": "localhost", "x-hyper-date": date}
    scope = (date[:8], "us-west-1", "hyper", "hyper_request")
    authorization = authorization_of(path, query, method, headers, body, scope=scope, date=date)
    del headers["host"]
    return {**headers, "Authorization": f"HYPER-HMAC-SHA256 {authorization}"}


def assert_unauthorized(answer, message: str) -> None:
    assert (answer.status_code, answer.content_type) == (401, "application/json")
    assert answer.headers.getlist("WWW-Authenticate") == CHALLENGES
    assert answer.request.method == "HEAD" or answer.get_json() == {"message": message}


@pytest.mark.parametrize("prefix", ["", "/v1.23"])
@pytest.mark.parametrize(("method", "path"), MANAGED)
def test_every_management_request_needs_a_key(keyed, store, engine, prefix, method, path):
    client = keyed()
    assert_unauthorized(client.open(f"{prefix}{path}", method=method), NO_KEY)
    answer = client.open(f"{prefix}{path}", method=method, headers=basic("mykey:mysecret"))
    assert answer.status_code in (200, 204, 400, 404)
    assert (store.definitions, engine.pulled) == ({}, [])


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_health_is_open(keyed, path):
    assert keyed().get(path).status_code == 200


@pytest.mark.parametrize(
    ("headers", "message"),
    [
        ({}, NO_KEY),
        ({"Authorization": ""}, NO_KEY),
        ({"Authorization": "Bearer mysecret"}, NO_KEY),
        ({"Authorization": "mykey:mysecret"}, NO_KEY),
        ({"Authorization": "AWS4-HMAC-SHA256 Credential=x"}, NO_KEY),
        ({"Authorization": "Basic"}, UNKNOWN),
        ({"Authorization": "Basic !!"}, "The Basic credentials can't be read."),
        ({"Authorization": "Basic é"}, "The Basic credentials can't be read."),
        (basic("nobody:mysecret"), UNKNOWN),
        (basic("mykey:wrong"), WRONG_SECRET),
        (basic(f"mykey:{SECRET}"), WRONG_SECRET),
        (
            {"Authorization": "HYPER-HMAC-SHA256 x"},
            "The Credential is not <access key>/<date>/<region>/hyper/hyper_request.",
        ),
    ],
)
def test_answer_says_what_is_wrong_with_the_key(keyed, headers, message):
    assert_unauthorized(keyed().get("/funcs", headers=headers), message)


@pytest.mark.parametrize("scheme", ["Basic", "basic", "BASIC", "Basic "])
def test_basic_lets_in(keyed, scheme):
    credentials = base64.b64encode(b"mykey:mysecret").decode()
    answer = keyed().get("/funcs", headers={"Authorization": f"{scheme} {credentials}"})
    assert (answer.status_code, answer.get_json()) == (200, [])


def test_secret_with_a_colon_lets_in(keyed):
    client = keyed("mykey:my:secret")
    assert client.get("/funcs", headers=basic("mykey:my:secret")).status_code == 200


@pytest.mark.parametrize(
    ("path", "canonical"),
    [
        ("/funcs", "funcs"),
        ("/v1.23/funcs", "v1.23/funcs"),
        ("/images/a%2Fb/json", "images/a/b/json"),
    ],
)
def test_signed_path_lets_in_with_and_without_a_version(keyed, path, canonical):
    assert keyed().get(path, headers=signed(canonical)).status_code in (200, 404)
    assert_unauthorized(keyed().get(path, headers=signed(canonical.upper())), WRONG)


@pytest.mark.parametrize(
    ("query", "canonical"),
    [
        ("limit=1", "limit=1"),
        ("limit=1&before=", "before=&limit=1"),
        ("filters=%7B%22label%22:[%22a+b%22]%7D", "filters=%7B%22label%22%3A%5B%22a%20b%22%5D%7D"),
        ("filters=%7B%22label%22:[%22%C3%A4%22]%7D",
         "filters=%7B%22label%22%3A%5B%22%C3%A4%22%5D%7D"),
    ],
)  # fmt: skip
def test_signed_query_lets_in(keyed, query, canonical):
    answer = keyed().get(f"/funcs?{query}", headers=signed("funcs", query=canonical))
    assert (answer.status_code, answer.get_json()) == (200, [])


def test_query_of_very_many_fields_is_no_failure(keyed):
    query = "&".join(f"a{number}=1" for number in range(500))
    assert keyed().get(f"/funcs?{query}", headers=signed("funcs", query=query)).status_code == 401


def test_signed_create_and_update_let_in_with_their_bodies(keyed, store):
    client = keyed()
    create = b'{"Name": "hello", "Config": {"Image": "ubuntu"}}'
    headers = signed(
        "v1.23/funcs/create", method="POST", body=create, content_type="application/json"
    )
    assert client.post("/v1.23/funcs/create", data=create, headers=headers).status_code == 201
    update = b'{"Timeout": 5}'
    headers = signed("funcs/hello", method="PUT", body=update, content_type="application/json")
    assert client.put("/funcs/hello", data=update, headers=headers).status_code == 200
    assert json.loads(store.definitions["hello"])["Timeout"] == 5
    message = "X-Hyper-Content-Sha256 is not the SHA-256 of the body."
    assert_unauthorized(
        client.put("/funcs/hello", data=b'{"Timeout": 6}', headers=headers), message
    )
    assert json.loads(store.definitions["hello"])["Timeout"] == 5


def test_body_over_the_limit_is_too_large_before_it_is_hashed(keyed):
    body = b" " * (256 * 1024 + 1)
    headers = signed("funcs/create", method="POST", body=body, content_type="application/json")
    assert keyed().post("/funcs/create", data=body, headers=headers).status_code == 413


def test_old_signature_is_refused(keyed):
    headers = signed("funcs", at=datetime(2017, 3, 16, tzinfo=UTC))
    message = "X-Hyper-Date is more than five minutes off."
    assert_unauthorized(keyed().get("/funcs", headers=headers), message)


def test_keys_are_rotated_without_an_outage(keyed):
    old, new = basic("old:1"), basic("new:2")
    for keys, statuses in (
        ("old:1", (200, 401)),
        ("old:1,new:2", (200, 200)),
        ("new:2", (401, 200)),
    ):
        client = keyed(keys)
        assert (
            tuple(client.get("/funcs", headers=one).status_code for one in (old, new)) == statuses
        )


WRONG_KEYS = {
    "basic": lambda: basic("mykey:wrong"),
    "signed": lambda: signed("elsewhere"),
    "signed long ago": lambda: signed("funcs", at=datetime(2017, 3, 16, tzinfo=UTC)),
    "unknown": lambda: basic("nobody:wrong"),
    "garbage": lambda: {"Authorization": "Basic !!"},
}


@pytest.mark.parametrize("wrong", WRONG_KEYS.values(), ids=WRONG_KEYS)
def test_address_that_failed_too_often_is_limited_and_its_right_keys_pass(keyed, wrong):
    client = keyed(FUNCSVC_FAILED_ATTEMPTS="3/hour")
    for _ in range(3):
        assert client.get("/funcs", headers=wrong()).status_code == 401
    for _ in range(2):
        answer = client.get("/funcs", headers=wrong())
        assert (answer.status_code, answer.content_type) == (429, "application/json")
        seconds = int(answer.headers["Retry-After"])
        assert 0 < seconds <= 3600
        assert answer.get_json() == {
            "message": "Too many requests from this address had no valid access key: "
            f"try again in {seconds} seconds."
        }
        assert "WWW-Authenticate" not in answer.headers
    for headers in (basic("mykey:mysecret"), signed("funcs")):
        assert client.get("/funcs", headers=headers).status_code == 200
    elsewhere = {"REMOTE_ADDR": "198.51.100.7"}
    answer = client.get("/funcs", headers=wrong(), environ_overrides=elsewhere)
    assert answer.status_code == 401


def test_client_behind_the_same_proxy_still_learns_what_is_wrong_with_its_own_key(keyed):
    client = keyed(FUNCSVC_FAILED_ATTEMPTS="1/hour")
    statuses = [client.get("/funcs", headers=basic("mykey:wrong")).status_code for _ in range(2)]
    assert statuses == [401, 429]
    assert_unauthorized(client.get("/funcs", headers=basic(f"{KEY}:wrong")), WRONG_SECRET)
    assert_unauthorized(client.get("/funcs", headers=basic("nobody:wrong")), UNKNOWN)


def test_request_that_shows_no_key_or_the_right_one_is_not_counted(keyed):
    client = keyed(FUNCSVC_FAILED_ATTEMPTS="1/hour")
    for headers, status in (({}, 401), (basic("mykey:mysecret"), 200)) * 3:
        assert client.get("/funcs", headers=headers).status_code == status


@pytest.mark.parametrize(
    ("trusted", "other_status"), [("127.0.0.1", 401), ("10.0.0.0/8", 429), ("", 429)]
)
def test_clients_of_a_proxy_are_told_apart_only_where_it_is_trusted(keyed, trusted, other_status):
    client = keyed(FUNCSVC_FAILED_ATTEMPTS="1/hour", FUNCSVC_TRUSTED_PROXIES=trusted)

    def status(forwarded: str) -> int:
        headers = {**basic("mykey:wrong"), "X-Forwarded-For": forwarded}
        return client.get("/funcs", headers=headers).status_code

    assert status("198.51.100.7") == 401
    assert status("198.51.100.7") == 429
    assert status("10.0.0.1, 198.51.100.7") == 429, "a client wrote the first address itself"
    assert status("198.51.100.8") == other_status


def test_wrong_keys_are_not_told_apart_while_redis_is_gone(store, engine):
    client = make_client(
        store, engine, FUNCSVC_ACCESS_KEYS="mykey:mysecret", FUNCSVC_REDIS_URL="redis://127.0.0.1:1"
    )
    for wrong in (basic("mykey:wrong"), basic("nobody:mysecret")):
        answer = client.get("/images/ubuntu/json", headers=wrong)
        assert answer.status_code == 500
        assert answer.get_json() == {
            "message": "Redis can't be used: it can't be reached: connection refused."
        }
    right = basic("mykey:mysecret")
    assert client.get("/images/ubuntu/json", headers=right).status_code == 404, "the fake has none"


@pytest.mark.parametrize(
    "host",
    ["localhost", "localhost:8000", "LOCALHOST:1", "127.0.0.1", "127.0.0.1:8000", "127.1.2.3",
     "[::1]", "[::1]:8000"],
)  # fmt: skip
def test_open_service_answers_to_loopback(client, host):
    assert client.get("/funcs", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize("path", ["/funcs", "/v1.23/funcs", "/_ping", "/funcs/create", "/nowhere"])
@pytest.mark.parametrize("host", EVIL_HOSTS)
def test_open_service_answers_to_no_name_that_a_web_page_could_have(client, path, host):
    answer = client.get(path, headers={"Host": host})
    assert (answer.status_code, answer.content_type) == (400, "application/json")
    assert answer.get_json() == {
        "message": f'Host is "{host}", but without access keys only localhost and loopback '
        "addresses are answered."
    }


@pytest.mark.parametrize("host", EVIL_HOSTS)
def test_guarded_service_and_service_with_keys_answer_to_every_host(store, engine, keyed, host):
    guarded = make_client(store, engine, FUNCSVC_PROXY_GUARDS="true")
    assert guarded.get("/funcs", headers={"Host": host}).status_code == 200
    answer = keyed().get("/funcs", headers={"Host": host, **basic("mykey:mysecret")})
    assert answer.status_code == 200


@pytest.mark.parametrize("name", ["X-Forwarded-Host", "Forwarded", "X-Host", "X-Original-Host"])
def test_host_that_is_only_forwarded_counts_for_nothing(client, name):
    for value, host, status in (
        ("evil.example", "localhost", 200),
        ("localhost", "evil.example", 400),
        ("host=localhost", "evil.example", 400),
    ):
        answer = client.get("/funcs", headers={"Host": host, name: value})
        assert answer.status_code == status


@pytest.mark.parametrize(
    "headers",
    [{"Origin": "http://evil.example"}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"}],
)
def test_web_page_elsewhere_can_not_post_without_a_body(client, engine, headers):
    engine.progress = [b"{}\n"]
    answer = client.post("/images/create?fromImage=debian", headers=headers)
    assert (answer.status_code, answer.content_type) == (400, "application/json")
    assert engine.pulled == []
    assert client.post("/images/create?fromImage=debian").status_code == 200


def test_no_secret_is_in_an_answer_or_a_log(keyed, caplog):
    caplog.set_level("DEBUG")
    client = keyed("mykey:hunter2")
    answers = [
        client.get("/funcs", headers=headers)
        for headers in (
            basic("mykey:hunter2"), basic("mykey:hunter2x"), basic("hunter2:mykey"),
            {"Authorization": "Basic hunter2"}, {"Authorization": "hunter2"},
            {"Authorization": "HYPER-HMAC-SHA256 Credential=mykey/hunter2"}, signed("funcs"),
        )
    ]  # fmt: skip
    encoded = base64.b64encode(b"mykey:hunter2").decode()
    said = caplog.text + "".join(f"{one.data}{one.headers}" for one in answers)
    assert not any(secret in said for secret in ("hunter2", encoded, SECRET))


@settings(max_examples=200, deadline=None)
@given(
    scheme=st.sampled_from(["Basic ", "HYPER-HMAC-SHA256 ", "HYPER-HMAC-SHA256 Credential=", ""]),
    text=st.text(st.characters(max_codepoint=255, exclude_characters="\r\n")),
)
def test_any_authorization_is_refused(any_client, scheme, text):
    answer = any_client.get("/_ping", environ_overrides={"HTTP_AUTHORIZATION": scheme + text})
    assert answer.status_code == 401


@pytest.fixture(scope="module")
def any_client(redis_url, run_id):
    """One client for all examples, with a high limit of attempts and a key prefix for this run."""
    environment = {"URL": redis_url, "PREFIX": f"funcsvc-test-{run_id}-any:"}
    return make_client(
        None,
        FakeEngine(),
        **{f"FUNCSVC_REDIS_{name}": value for name, value in environment.items()},
        FUNCSVC_ACCESS_KEYS="mykey:mysecret",
        FUNCSVC_FAILED_ATTEMPTS="100000/minute",
    )
