"""What is signed of a request, and how it is written: path, query, host, headers, method.

The tests write the canonical path, query and host by hand, as the contract defines them.
"""

from __future__ import annotations

import pytest

from tests.signing import authorization_of, headers_of
from tests.unit.verdicts import BAD_HEADERS, WRONG, verdict

SHA256_OF_NOTHING = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


def test_vector_computed_with_openssl_is_accepted():
    """The signature was made with `openssl dgst -sha256` and `-mac HMAC -macopt hexkey:…`."""
    body = b'{"Name":"helloworld","Config":{"Cmd":["echo","HelloWorld"],"Image":"ubuntu"}}'
    headers = headers_of(body, content_type="application/json")
    headers["host"] = "func.example.com:8443"
    authorization = (
        "Credential=HYPEREXAMPLEKEY/20170316/us-west-1/hyper/hyper_request, "
        "SignedHeaders=content-type;host;x-hyper-content-sha256;x-hyper-date, "
        "Signature=1c0e868fef89ee9f259da5324f86901f672cd1773a87399c4fd6d6dd88066c65"
    )
    request = {"method": "POST", "path": "/v1.23/funcs/create", "headers": headers, "body": body}
    assert verdict(authorization, **request) == "ok"
    assert authorization == authorization_of(
        "v1.23/funcs/create", method="POST", headers=headers, body=body
    )


def test_empty_body_has_the_hash_of_nothing():
    assert headers_of()["x-hyper-content-sha256"] == SHA256_OF_NOTHING
    assert verdict(authorization_of()) == "ok"


@pytest.mark.parametrize(
    ("path", "canonical"),
    [
        ("/funcs", "funcs"),
        ("/v1.23/funcs", "v1.23/funcs"),
        ("/v1.23//funcs", "v1.23/funcs"),
        ("//v1.23/funcs/", "v1.23/funcs"),
        ("/", ""),
        ("/funcs/a b", "funcs/a%20b"),
        ("/funcs/a+b", "funcs/a%2Bb"),
        ("/funcs/a%2Fb", "funcs/a%252Fb"),
        ("/images/team/tool:v1@sha256:0/json", "images/team/tool%3Av1%40sha256%3A0/json"),
        ("/images/-_.~/json", "images/-_.~/json"),
        ("/funcs/ä", "funcs/%C3%A4"),
        ("/funcs/..", "funcs/.."),
    ],
)
def test_path_as_it_arrives_decoded_is_signed_encoded(path, canonical):
    assert verdict(authorization_of(canonical), path) == "ok"


@pytest.mark.parametrize(
    "canonical",
    ["/v1.23/funcs", "funcs", "v1.23/Funcs", "V1.23/funcs", "v1.23/funcs/", "v1.23//funcs",
     "v1.23%2Ffuncs", "v1.24/funcs", "", "v1.23/funcs?"],
)  # fmt: skip
def test_path_that_was_signed_otherwise_is_wrong(canonical):
    assert verdict(authorization_of(canonical)) == WRONG


@pytest.mark.parametrize(
    ("query", "canonical"),
    [
        ("limit=1", "limit=1"),
        ("limit=1&before=a", "before=a&limit=1"),
        ("before=a&limit=1", "before=a&limit=1"),
        ("limit=", "limit="),
        ("limit", "limit="),
        ("a=b=c", "a=b%3Dc"),
        ("a=x+y", "a=x%20y"),
        ("a=x%20y", "a=x%20y"),
        ("a=x%2By", "a=x%2By"),
        ("a+b=1", "a%20b=1"),
        ("a=x%2fy", "a=x%2Fy"),
        ("a=x/y:z", "a=x%2Fy%3Az"),
        ("a=%7e-_.", "a=~-_."),
        ("a=ä", "a=%C3%A4"),
        ("a=%c3%a4", "a=%C3%A4"),
        ("B=1&a=2", "B=1&a=2"),
        ("a=1&B=2", "B=2&a=1"),
        ("filters=%7B%22name%22%3A%5B%22x%22%5D%7D", "filters=%7B%22name%22%3A%5B%22x%22%5D%7D"),
        ('filters={"name":["x"]}', "filters=%7B%22name%22%3A%5B%22x%22%5D%7D"),
        ("a=2&a=1", "a=2&a=1"),  # in their own order, as the original client signs
        ("a=2&a=1", "a=1&a=2"),  # sorted, as AWS signs
        ("b=1&a=2&b=0&a=1", "a=2&a=1&b=1&b=0"),
        ("b=1&a=2&b=0&a=1", "a=1&a=2&b=0&b=1"),
        ("", ""),
    ],
)
def test_query_is_signed_sorted_and_encoded(query, canonical):
    assert verdict(authorization_of(canonical_query=canonical), query=query) == "ok"


@pytest.mark.parametrize(
    ("query", "canonical"),
    [
        ("b=1&a=2", "b=1&a=2"),
        ("a=x y", "a=x+y"),
        ("limit=1", "limit=2"),
        ("limit=1", ""),
        ("", "limit=1"),
        ("limit=1&all=1", "limit=1"),
        ("limit=1", "Limit=1"),
        ("limit", "limit"),
        ("a=%2f", "a=%2f"),
        ("a=1&a=2&a=3", "a=3&a=1&a=2"),
        ("a=1&a=2", "a=1"),
        ("a=1&a=1", "a=1"),
    ],
)
def test_query_that_was_signed_otherwise_is_wrong(query, canonical):
    assert verdict(authorization_of(canonical_query=canonical), query=query) == WRONG


def test_query_with_very_many_fields_is_refused():
    query = "&".join(f"a{number}=1" for number in range(100, 5000))
    message = verdict(authorization_of(canonical_query=query), query=query)
    assert message not in ("ok", "")


@pytest.mark.parametrize(
    ("host", "canonical"),
    [
        ("func.example.com", "func.example.com"),
        ("func.example.com:80", "func.example.com"),
        ("func.example.com:443", "func.example.com"),
        ("func.example.com:8000", "func.example.com:8000"),
        ("func.example.com:8080", "func.example.com:8080"),
        ("127.0.0.1:80", "127.0.0.1"),
        ("[::1]", "[::1]"),
        ("[::1]:80", "[::1]"),
        ("[2001:db8::443]", "[2001:db8::443]"),
        ("[2001:db8::80]:8000", "[2001:db8::80]:8000"),
    ],
)
def test_host_is_signed_with_its_port_unless_that_is_80_or_443(host, canonical):
    signed, sent = headers_of(), headers_of()
    signed["host"], sent["host"] = canonical, host
    assert verdict(authorization_of(headers=signed), headers=sent) == "ok"
    if host != canonical:
        assert verdict(authorization_of(headers=sent), headers=sent) == WRONG


@pytest.mark.parametrize(
    ("host", "canonical"),
    [("a:8000", "a"), ("a", "a:8000"), ("a", "b"), ("a", "A"), ("a:8000", "a:8001")],
)
def test_host_that_was_signed_otherwise_is_wrong(host, canonical):
    signed, sent = headers_of(), headers_of()
    signed["host"], sent["host"] = canonical, host
    assert verdict(authorization_of(headers=signed), headers=sent) == WRONG


def test_every_header_of_the_contract_is_signed():
    headers = headers_of(
        content_type="application/json", content_md5="abc", x_hyper_foo="1", x_hyper_bar="a  b"
    )
    sent = {**headers, "accept": "*/*", "user-agent": "x", "x-hyperbole": "1", "x-request-id": "y"}
    assert verdict(authorization_of(headers=headers), headers=sent) == "ok"


@pytest.mark.parametrize("name", ["content-type", "content-md5", "x-hyper-foo", "x-hyper-"])
def test_header_added_after_signing_is_noticed(name):
    sent = {**headers_of(), name: "application/json"}
    assert verdict(authorization_of(), headers=sent) == BAD_HEADERS


@pytest.mark.parametrize("name", ["content-type", "content-md5", "x-hyper-foo"])
def test_header_that_was_signed_and_is_left_out_is_noticed(name):
    signed = {**headers_of(), name: "application/json"}
    assert verdict(authorization_of(headers=signed)) == BAD_HEADERS


@pytest.mark.parametrize("name", ["accept", "x-request-id", "authorization"])
def test_header_that_need_not_be_signed_must_not_be(name):
    headers = {**headers_of(), name: "1"}
    assert verdict(authorization_of(headers=headers), headers=headers) == BAD_HEADERS


@pytest.mark.parametrize("name", ["content-type", "content-md5", "x-hyper-foo"])
def test_header_changed_after_signing_is_wrong(name):
    signed, sent = {**headers_of(), name: "a"}, {**headers_of(), name: "b"}
    assert verdict(authorization_of(headers=signed), headers=sent) == WRONG


def test_white_space_around_a_header_is_not_signed():
    signed, sent = {**headers_of(), "x-hyper-a": "a"}, {**headers_of(), "x-hyper-a": " a\t"}
    assert verdict(authorization_of(headers=signed), headers=sent) == "ok"


@pytest.mark.parametrize(
    "names",
    ["x-hyper-date;x-hyper-content-sha256;host", "host;x-hyper-date;x-hyper-content-sha256",
     "host", "", "host;x-hyper-content-sha256;x-hyper-date;", "host;host;x-hyper-date",
     "Host;X-Hyper-Content-Sha256;X-Hyper-Date", "host, x-hyper-content-sha256, x-hyper-date"],
)  # fmt: skip
def test_signed_headers_in_another_order_or_number_are_refused(names):
    right = "host;x-hyper-content-sha256;x-hyper-date"
    authorization = authorization_of()
    assert verdict(authorization.replace(right, names)) == BAD_HEADERS


def test_method_that_was_signed_otherwise_is_wrong():
    assert verdict(authorization_of(method="GET"), method="DELETE") == WRONG
