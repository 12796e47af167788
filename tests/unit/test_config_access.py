"""The settings for access: keys, their file, proxies, the rule for FUNCSVC_BIND, the limit."""

from __future__ import annotations

import pytest

from funcsvc.config import InvalidSettings, load_settings, settings_page

OPEN = (
    "but without access keys the service listens on loopback only: set FUNCSVC_ACCESS_KEYS, or "
    "FUNCSVC_PROXY_GUARDS=true if a proxy in front decides who may come in."
)


def refusal(**environment: str) -> str:
    with pytest.raises(InvalidSettings) as caught:
        load_settings(environment)
    return str(caught.value)


@pytest.mark.parametrize(
    "bind", ["127.0.0.1:8000", "127.9.9.9:1", "localhost:1", "[::1]:80", "unix:/run/funcsvc.sock"]
)
def test_open_service_listens_on_loopback(bind):
    assert load_settings({"FUNCSVC_BIND": bind}).bind == bind


ELSEWHERE = ["0.0.0.0:8000", "[::]:8000", "10.0.0.1:80", "func.example.com:80", "[2001:db8::1]:80"]


@pytest.mark.parametrize("bind", ELSEWHERE)
@pytest.mark.parametrize("guards", [{}, {"FUNCSVC_PROXY_GUARDS": "false"}])
def test_open_service_does_not_listen_elsewhere(bind, guards):
    assert refusal(FUNCSVC_BIND=bind, **guards) == f"FUNCSVC_BIND is {bind}, {OPEN}"


@pytest.mark.parametrize("bind", ELSEWHERE)
def test_service_with_keys_or_behind_a_guard_listens_everywhere(bind, tmp_path):
    file = tmp_path / "keys"
    file.write_text("a:b\n")
    for allowing in (
        {"FUNCSVC_PROXY_GUARDS": "true"},
        {"FUNCSVC_ACCESS_KEYS": "a:b"},
        {"FUNCSVC_ACCESS_KEYS_FILE": str(file)},
    ):
        assert load_settings({"FUNCSVC_BIND": bind, **allowing}).bind == bind


@pytest.mark.parametrize("text", ["", "\n\n", "# mykey:hunter2\n"])
def test_file_without_keys_leaves_the_service_open_and_on_loopback(text, tmp_path):
    file = tmp_path / "keys"
    file.write_text(text)
    environment = {"FUNCSVC_ACCESS_KEYS_FILE": str(file)}
    assert load_settings(environment).all_access_keys == {}
    assert OPEN in refusal(FUNCSVC_BIND="0.0.0.0:1", **environment)


def test_keys_come_from_the_environment_and_from_the_file(tmp_path):
    file = tmp_path / "keys"
    file.write_text("# since may\nnew:with,comma\n\nother:x:y\n")
    settings = load_settings(
        {"FUNCSVC_ACCESS_KEYS": "a:1, b:2 ,", "FUNCSVC_ACCESS_KEYS_FILE": str(file)}
    )
    assert settings.all_access_keys == {"a": "1", "b": "2", "new": "with,comma", "other": "x:y"}


@pytest.mark.parametrize(
    "keys", ["hunter2", "a:hunter2,b", "hunter2:", ":hunter2", "a:hunter2,a:x"]
)
def test_keys_that_are_none_are_refused_and_not_shown(keys):
    message = refusal(FUNCSVC_ACCESS_KEYS=keys)
    assert message.startswith("The access keys are not valid: Entry ")
    assert "hunter2" not in message


def test_key_that_is_in_both_places_is_refused(tmp_path):
    file = tmp_path / "keys"
    file.write_text("mykey:hunter2\n")
    assert refusal(FUNCSVC_ACCESS_KEYS="mykey:x", FUNCSVC_ACCESS_KEYS_FILE=str(file)) == (
        "The access keys are not valid: Entry 2 names a key that is already there."
    )


def test_file_that_can_not_be_read_is_refused(tmp_path):
    binary = tmp_path / "binary"
    binary.write_bytes(b"\xff\xfe:a")
    for path, reason in (
        (tmp_path / "absent", ": No such file or directory"),
        (tmp_path, ": Is a directory"),
        (binary, ""),
    ):
        for name in ("FUNCSVC_ACCESS_KEYS_FILE", "FUNCSVC_REDIS_URL_FILE"):
            assert refusal(**{name: str(path)}) == (
                f"{name} is not valid: Must be a file of text that can be read{reason}."
            )


@pytest.mark.parametrize(
    ("text", "networks"),
    [
        ("10.0.0.1", ("10.0.0.1",)),
        ("10.0.0.0/8, 192.168.1.1", ("10.0.0.0/8", "192.168.1.1")),
        ("::1,2001:db8::/32", ("::1", "2001:db8::/32")),
        ("0.0.0.0/0", ("0.0.0.0/0",)),
    ],
)
def test_trusted_proxies_are_addresses_and_networks(text, networks):
    assert load_settings({"FUNCSVC_TRUSTED_PROXIES": text}).trusted_proxies == networks


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("proxy", "proxy"),
        ("10.0.0.1/8", "10.0.0.1/8"),
        ("10.0.0.0/33", "10.0.0.0/33"),
        ("10.0.0", "10.0.0"),
        ("10.0.0.1,x", "x"),
        ("10.0.0.1:80", "10.0.0.1:80"),
        ("[::1]", "[::1]"),
        ("*", "*"),
    ],
)
def test_trusted_proxy_that_is_no_network_is_refused(text, wrong):
    assert refusal(FUNCSVC_TRUSTED_PROXIES=text) == (
        "FUNCSVC_TRUSTED_PROXIES is not valid: "
        f"Must be addresses or networks, and {wrong} is neither."
    )


@pytest.mark.parametrize(
    ("text", "amount", "seconds"),
    [
        ("20/minute", 20, 60),
        ("1/second", 1, 1),
        ("5 per 2 hours", 5, 7200),
        ("100/day", 100, 86400),
    ],
)
def test_limit_of_failed_attempts_is_read(text, amount, seconds):
    limit = load_settings({"FUNCSVC_FAILED_ATTEMPTS": text}).failed_attempts
    assert (limit.amount, limit.get_expiry()) == (amount, seconds)


def test_limit_is_twenty_a_minute_where_none_is_set():
    limit = load_settings({}).failed_attempts
    assert (limit.amount, limit.get_expiry()) == (20, 60)
    assert "| `FUNCSVC_FAILED_ATTEMPTS` | 20 per 1 minute |" in settings_page()


@pytest.mark.parametrize("text", ["20", "many", "20/moment", "-1/minute", "/minute", "1.5/minute"])
def test_limit_that_is_none_is_refused(text):
    assert refusal(FUNCSVC_FAILED_ATTEMPTS=text) == (
        "FUNCSVC_FAILED_ATTEMPTS is not valid: Must be a limit such as 20/minute."
    )


def test_settings_page_has_no_trace_of_the_process():
    assert " at 0x" not in settings_page()
