"""Every part of a signature that can be wrong, and the message for it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from funcsvc.model.errors import Unauthorized
from funcsvc.web.access.signature import SignedRequest, check_signature
from tests.signing import KEY, SECRET, authorization_of, headers_of
from tests.unit.verdicts import (
    BAD_DATE,
    BAD_HASH,
    BAD_SCOPE,
    KEYS,
    NOW,
    OLD_DATE,
    OTHER_DATE,
    UNKNOWN_KEY,
    WRONG,
    verdict,
)

SHA256_OF_NOTHING = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


def test_body_changed_after_signing_is_noticed():
    body, changed = b'{"Timeout": 1}', b'{"Timeout": 2}'
    authorization = authorization_of(body=body)
    assert verdict(authorization, headers=headers_of(body), body=body) == "ok"
    for other in (changed, b"", body + b" "):
        assert verdict(authorization, headers=headers_of(body), body=other) == BAD_HASH


def test_body_changed_with_its_hash_is_wrong():
    changed = b'{"Timeout": 2}'
    authorization = authorization_of(body=b'{"Timeout": 1}')
    assert verdict(authorization, headers=headers_of(changed), body=changed) == WRONG


@pytest.mark.parametrize("said", ["", "UNSIGNED-PAYLOAD", SHA256_OF_NOTHING.upper(), "é", "0" * 64])
def test_hash_that_is_not_the_bodys_is_refused_though_it_was_signed(said):
    headers = {**headers_of(), "x-hyper-content-sha256": said}
    assert verdict(authorization_of(headers=headers), headers=headers) == BAD_HASH


def test_hash_that_was_left_out_is_refused():
    headers = {name: value for name, value in headers_of().items() if "sha256" not in name}
    assert verdict(authorization_of(headers=headers), headers=headers) == BAD_HASH


@pytest.mark.parametrize("seconds", [0, 1, 299, 300, -1, -299, -300])
def test_date_up_to_five_minutes_off_is_accepted(seconds):
    assert verdict(authorization_of(), now=NOW + timedelta(seconds=seconds)) == "ok"


@pytest.mark.parametrize("seconds", [300.001, 301, 3600, 86400, -300.001, -301, -3600])
def test_replay_after_five_minutes_and_future_date_are_refused(seconds):
    assert verdict(authorization_of(), now=NOW + timedelta(seconds=seconds)) == OLD_DATE


def test_date_around_midnight_belongs_to_its_own_day():
    headers = {**headers_of(), "x-hyper-date": "20170316T235959Z"}
    authorization = authorization_of(headers=headers, date="20170316T235959Z")
    after_midnight = datetime(2017, 3, 17, 0, 4, 0, tzinfo=UTC)
    assert verdict(authorization, headers=headers, now=after_midnight) == "ok"


@pytest.mark.parametrize("day", ["20170315", "20170317", "20160316"])
def test_scope_of_another_day_is_refused(day):
    scope = (day, "us-west-1", "hyper", "hyper_request")
    assert verdict(authorization_of(scope=scope)) == OTHER_DATE


@pytest.mark.parametrize(
    "date",
    ["", "20170316", "20170316T070524", "2017-03-16T07:05:24Z", "20170316T070524z",
     "20170316T070524+0000", "20171316T070524Z", "20170230T070524Z", "20170316T250524Z",
     "00000000T000000Z", "Thu, 16 Mar 2017 07:05:24 GMT", "1489647924", "20170316T070524Z ", "é"],
)  # fmt: skip
def test_date_that_is_none_is_refused(date):
    headers = {**headers_of(), "x-hyper-date": date}
    assert verdict(authorization_of(headers=headers, date=date), headers=headers) == BAD_DATE


def test_date_that_was_left_out_is_refused():
    headers = {name: value for name, value in headers_of().items() if name != "x-hyper-date"}
    assert verdict(authorization_of(headers=headers), headers=headers) == BAD_DATE


@pytest.mark.parametrize(
    "scope",
    [
        ("20170316", "us-west-1", "s3", "hyper_request"),
        ("20170316", "us-west-1", "hyper", "aws4_request"),
        ("20170316", "us-west-1", "Hyper", "hyper_request"),
        ("20170316", "", "hyper", "hyper_request"),
        ("2017316", "us-west-1", "hyper", "hyper_request"),
        ("20170316", "us/west", "hyper", "hyper_request"),
    ],
)
def test_scope_of_another_service_is_refused(scope):
    assert verdict(authorization_of(scope=scope)) == BAD_SCOPE


@pytest.mark.parametrize("region", ["us-west-1", "eu-central-1", "x", "Region 1"])
def test_any_region_is_accepted_and_none_can_be_changed_after_signing(region):
    authorization = authorization_of(scope=("20170316", region, "hyper", "hyper_request"))
    assert verdict(authorization) == "ok"
    assert verdict(authorization.replace(f"/{region}/", "/moon/")) == WRONG


def test_unknown_key_is_refused():
    assert verdict(authorization_of(key="nobody")) == UNKNOWN_KEY
    assert verdict(authorization_of(key=KEY.lower())) == UNKNOWN_KEY


@pytest.mark.parametrize("secret", ["", "other-secret", SECRET.lower(), SECRET + " ", "é"])
def test_wrong_secret_is_refused(secret):
    assert verdict(authorization_of(secret=secret)) == WRONG


def test_every_key_has_its_own_secret():
    assert verdict(authorization_of(key="other", secret="other-secret")) == "ok"
    assert verdict(authorization_of(key="other")) == WRONG


def test_signature_in_upper_case_is_wrong():
    head, signature = authorization_of().split("Signature=")
    assert verdict(f"{head}Signature={signature.upper()}") == WRONG


@pytest.mark.parametrize("signature", ["", "é", "0" * 64, "0" * 63, "x" * 10_000])
def test_signature_that_is_none_is_wrong(signature):
    head, _ = authorization_of().split("Signature=")
    assert verdict(f"{head}Signature={signature}") == WRONG


@pytest.mark.parametrize("separator", [",", ", ", " , ", ",  "])
def test_parts_may_stand_in_any_order_with_or_without_spaces(separator):
    parts = authorization_of().split(", ")
    assert verdict(separator.join(parts)) == "ok"
    assert verdict(separator.join(reversed(parts))) == "ok"


@pytest.mark.parametrize(
    "authorization",
    ["", ",", "=", "Credential", "Credential=", "Credential=a", "Credential=a/b/c/d/e",
     "credential=x", "Signature=x", "Credential==, SignedHeaders=, Signature=", "é=é", "\x00"],
)  # fmt: skip
def test_authorization_that_can_not_be_read_is_refused(authorization):
    assert verdict(authorization) == BAD_SCOPE


LATIN_1 = st.text(st.characters(max_codepoint=255))  # all that a WSGI server passes on


@given(authorization=LATIN_1 | LATIN_1.map("Credential={}".format))
def test_any_authorization_is_refused(authorization):
    assert verdict(authorization) == BAD_SCOPE


@given(names=LATIN_1, signature=LATIN_1, key=LATIN_1, region=LATIN_1)
def test_any_part_of_an_authorization_is_refused(names, signature, key, region):
    scope = f"20170316/{region}/hyper/hyper_request"
    for authorization in (
        f"Credential={key}/{scope}, SignedHeaders={names}, Signature={signature}",
        f"Credential={KEY}/{scope}, SignedHeaders={names}, Signature={signature}",
        authorization_of().partition("Signature")[0] + f"Signature={signature}",
    ):
        assert verdict(authorization) != "ok"


@given(query=st.binary(max_size=60), path=st.binary(max_size=60), value=LATIN_1)
def test_any_request_with_a_signature_of_another_is_refused(query, path, value):
    headers = {**headers_of(), "x-hyper-foo": value}
    signed = authorization_of("another", headers={**headers_of(), "x-hyper-foo": "another"})
    request = SignedRequest("GET", path + b"!", query, headers)
    with pytest.raises(Unauthorized):
        check_signature(signed, request, lambda: b"", KEYS, NOW)


def test_body_is_read_only_when_date_key_and_headers_are_right():
    def never() -> bytes:
        raise AssertionError("the body was read")

    request = SignedRequest("GET", b"/", b"", {**headers_of(), "content-type": "x"})
    for authorization in (authorization_of(), authorization_of(key="nobody"), "x"):
        with pytest.raises(Unauthorized):
            check_signature(authorization, request, never, KEYS, NOW)
