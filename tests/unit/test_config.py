"""Settings: read from a given environment, refused with a sentence, and documented."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from funcsvc.config import DEFAULT_WORKERS, InvalidSettings, Settings, load_settings, settings_page
from funcsvc.model import Policy

DEFAULTS = {
    "bind": "127.0.0.1:8000",
    "workers": DEFAULT_WORKERS,
    "threads": 48,
    "log_level": "info",
    "redis_url": "redis://127.0.0.1:6379/0",
    "redis_prefix": "funcsvc:",
    "pull_policy": "missing",
    "allowed_images": (),
    "cap_cpus": False,
    "allow_host_network": True,
    "allow_container_network": True,
    "allow_links": True,
    "allow_published_ports": True,
    "allow_volumes_from": True,
    "docker_host": "unix:///var/run/docker.sock",
}


def refusal(**environment: str) -> str:
    with pytest.raises(InvalidSettings) as caught:
        load_settings(environment)
    return str(caught.value)


def variable(field: dataclasses.Field) -> str:
    return "DOCKER_HOST" if field.name == "docker_host" else f"FUNCSVC_{field.name.upper()}"


@pytest.mark.parametrize(("name", "value"), DEFAULTS.items())
def test_empty_environment_gives_the_default(name, value):
    assert getattr(load_settings({}), name) == value


def test_the_process_environment_is_not_read(monkeypatch):
    monkeypatch.setenv("FUNCSVC_THREADS", "99")
    monkeypatch.setenv("FUNCSVC_NONSENSE", "1")
    assert load_settings({}).threads == 48


@pytest.mark.parametrize("field", dataclasses.fields(Settings), ids=lambda field: field.name)
def test_variable_that_is_set_and_empty_counts_as_not_set(field):
    assert load_settings({variable(field): ""}) == load_settings({})


def test_variables_of_others_are_ignored():
    others = {"PATH": "/bin", "XFUNCSVC_THREADS": "x", "FUNCSVC": "x", "HTTP_PROXY": "x"}
    assert load_settings(others) == load_settings({})


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("FUNCSVC_BIND", "127.0.0.2:80", "127.0.0.2:80"),
        ("FUNCSVC_BIND", "localhost:65535", "localhost:65535"),
        ("FUNCSVC_BIND", "[::1]:1", "[::1]:1"),
        ("FUNCSVC_BIND", f"unix:/{'ü' * 53}", f"unix:/{'ü' * 53}"),
        ("FUNCSVC_BIND", "unix:/run/funcsvc.sock", "unix:/run/funcsvc.sock"),
        ("FUNCSVC_WORKERS", "1", 1),
        ("FUNCSVC_WORKERS", "256", 256),
        ("FUNCSVC_THREADS", "1024", 1024),
        ("FUNCSVC_LOG_LEVEL", "debug", "debug"),
        ("FUNCSVC_REDIS_URL", "redis://:secret@host:1/2", "redis://:secret@host:1/2"),
        ("FUNCSVC_REDIS_URL", "rediss://host", "rediss://host"),
        ("FUNCSVC_REDIS_URL", "unix:///run/redis.sock", "unix:///run/redis.sock"),
        ("FUNCSVC_REDIS_URL", "redis://host?db=1", "redis://host?db=1"),
        ("FUNCSVC_REDIS_URL", "redis://u:p@[::1]:1", "redis://u:p@[::1]:1"),
        ("FUNCSVC_REDIS_URL", "unix://:p@/run/r?db=1", "unix://:p@/run/r?db=1"),
        ("FUNCSVC_REDIS_URL", "redis+sentinel://a/main", "redis+sentinel://a/main"),
        (
            "FUNCSVC_REDIS_URL",
            "rediss+sentinel://:p%40@[::1]:1,b/main/0?sentinel_username=u&sentinel_password=s",
            "rediss+sentinel://:p%40@[::1]:1,b/main/0?sentinel_username=u&sentinel_password=s",
        ),
        ("FUNCSVC_REDIS_URL", "redis+sentinel://a:1/main", "redis+sentinel://a:1/main"),
        (
            "FUNCSVC_REDIS_URL",
            "redis+sentinel://u:p@a:1,b:26379/main/15",
            "redis+sentinel://u:p@a:1,b:26379/main/15",
        ),
        ("FUNCSVC_REDIS_PREFIX", "p", "p"),
        ("FUNCSVC_REDIS_PREFIX", "p" * 64, "p" * 64),
        ("FUNCSVC_REDIS_TIMEOUT_SECONDS", "0.1", 0.1),
        ("FUNCSVC_REDIS_TIMEOUT_SECONDS", "60", 60.0),
        ("FUNCSVC_ENGINE_REMEMBER_SECONDS", "0", 0.0),
        ("FUNCSVC_PULL_POLICY", "never", "never"),
        ("FUNCSVC_ALLOWED_IMAGES", "ubuntu", ("ubuntu",)),
        ("FUNCSVC_ALLOWED_IMAGES", " a/* , b:1 ,,", ("a/*", "b:1")),
        ("FUNCSVC_ALLOWED_IMAGES", ",", ()),
        ("FUNCSVC_CAP_CPUS", "1", True),
        ("FUNCSVC_CAP_CPUS", "true", True),
        ("FUNCSVC_CAP_CPUS", "yes", True),
        ("FUNCSVC_CAP_CPUS", "on", True),
        ("FUNCSVC_ALLOW_LINKS", "0", False),
        ("FUNCSVC_ALLOW_LINKS", "false", False),
        ("FUNCSVC_ALLOW_LINKS", "no", False),
        ("FUNCSVC_ALLOW_LINKS", "off", False),
        ("FUNCSVC_NETWORK", "my_net.1-a", "my_net.1-a"),
        ("FUNCSVC_NETWORK", "bridge", "bridge"),
        ("DOCKER_HOST", "tcp://engine:2376", "tcp://engine:2376"),
        ("DOCKER_HOST", "unix:///run/d.sock", "unix:///run/d.sock"),
        ("DOCKER_HOST", "https://engine:2376", "https://engine:2376"),
        ("DOCKER_HOST", "tcp://[::1]:65535", "tcp://[::1]:65535"),
        ("DOCKER_HOST", "unix://" + "/" * 107, "unix://" + "/" * 107),
    ],
)
def test_value_is_read(name, text, value):
    field = "docker_host" if name == "DOCKER_HOST" else name.removeprefix("FUNCSVC_").lower()
    assert getattr(load_settings({name: text}), field) == value


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("FUNCSVC_BIND", "8000"),
        ("FUNCSVC_BIND", ":8000"),
        ("FUNCSVC_BIND", "localhost"),
        ("FUNCSVC_BIND", "localhost:"),
        ("FUNCSVC_BIND", "localhost:65536"),
        ("FUNCSVC_BIND", "localhost:-1"),
        ("FUNCSVC_BIND", "localhost:http"),
        ("FUNCSVC_BIND", "unix:"),
        ("FUNCSVC_BIND", "127.0.0.1:0"),
        ("FUNCSVC_BIND", f"unix:/{'ü' * 53}x"),
        ("FUNCSVC_WORKERS", "0"),
        ("FUNCSVC_WORKERS", "257"),
        ("FUNCSVC_WORKERS", "many"),
        ("FUNCSVC_WORKERS", "1.5"),
        ("FUNCSVC_WORKERS", "-1"),
        ("FUNCSVC_THREADS", "1"),
        ("FUNCSVC_THREADS", "1025"),
        ("FUNCSVC_LOG_LEVEL", "loud"),
        ("FUNCSVC_LOG_LEVEL", "INFO"),
        ("FUNCSVC_REDIS_URL", "127.0.0.1:6379"),
        ("FUNCSVC_REDIS_URL", "http://127.0.0.1"),
        ("FUNCSVC_REDIS_URL", "redis://host:port"),
        ("FUNCSVC_REDIS_URL", "redis://host:99999"),
        ("FUNCSVC_REDIS_URL", "redis://[::1"),
        ("FUNCSVC_REDIS_URL", "redis://host?socket_timeout=100"),
        ("FUNCSVC_REDIS_URL", "redis+sentinel://a:1"),
        ("FUNCSVC_REDIS_URL", "redis+sentinel://[::1/main"),
        ("FUNCSVC_REDIS_URL", "redis+sentinel://[a]/main"),
        ("FUNCSVC_REDIS_URL", "redis+sentinel://::1:1/main"),
        ("FUNCSVC_REDIS_URL", "redis+sentinel://a:0/main"),
        ("FUNCSVC_REDIS_URL", "redis+sentinel://a:65536/main"),
        ("FUNCSVC_REDIS_URL", "redis+sentinel://a:1/main?password=x"),
        ("FUNCSVC_REDIS_URL", "redis+sentinel://a:1/main?ssl_check_hostname=false"),
        ("FUNCSVC_REDIS_URL", "redis://a..b"),
        ("FUNCSVC_REDIS_URL", "redis://host/name"),
        ("FUNCSVC_REDIS_URL", "redis://host?db=x"),
        ("FUNCSVC_REDIS_URL", "redis://host?db"),
        ("FUNCSVC_REDIS_URL", "redis://host?ssl_ca_certs=/"),
        ("FUNCSVC_REDIS_URL", "rediss://host?ssl_ca_certs=/nonexistent"),
        ("FUNCSVC_REDIS_URL", "rediss://host?ssl_cert_reqs=maybe"),
        ("FUNCSVC_REDIS_URL", "rediss://host?ssl_nonsense=1"),
        ("FUNCSVC_REDIS_URL", "unix://run/redis.sock"),
        ("FUNCSVC_REDIS_URL", "unix://"),
        ("FUNCSVC_REDIS_URL", "redis+sentinel://a:1,/main"),
        ("FUNCSVC_REDIS_URL", "redis+sentinel://a:1/main/x"),
        ("FUNCSVC_NETWORK", "host"),
        ("FUNCSVC_NETWORK", "none"),
        ("FUNCSVC_NETWORK", "default"),
        ("FUNCSVC_NETWORK", "container:c"),
        ("FUNCSVC_NETWORK", "a b"),
        ("DOCKER_HOST", "garbage"),
        ("DOCKER_HOST", "/var/run/docker.sock"),
        ("DOCKER_HOST", "unix://"),
        ("DOCKER_HOST", "ftp://engine"),
        ("DOCKER_HOST", "unix://" + "/" * 108),
        ("DOCKER_HOST", "tcp://engine"),
        ("DOCKER_HOST", "tcp://127.0.0.1:0"),
        ("DOCKER_HOST", "tcp://127.0.0.1:99999"),
        ("DOCKER_HOST", "tcp://127.0.0.1:x"),
        ("DOCKER_HOST", "tcp://[::1:2375"),
        ("DOCKER_HOST", "http://user:secret@engine:2375"),
        ("DOCKER_HOST", "https://engine:2376?a"),
        ("FUNCSVC_REDIS_PREFIX", "p" * 65),
        ("FUNCSVC_REDIS_TIMEOUT_SECONDS", "0"),
        ("FUNCSVC_REDIS_TIMEOUT_SECONDS", "0.09"),
        ("FUNCSVC_REDIS_TIMEOUT_SECONDS", "60.1"),
        ("FUNCSVC_REDIS_TIMEOUT_SECONDS", "nan"),
        ("FUNCSVC_REDIS_TIMEOUT_SECONDS", "inf"),
        ("FUNCSVC_REDIS_TIMEOUT_SECONDS", "2s"),
        ("FUNCSVC_ENGINE_TIMEOUT_SECONDS", "0"),
        ("FUNCSVC_ENGINE_REMEMBER_SECONDS", "-1"),
        ("FUNCSVC_ENGINE_REMEMBER_SECONDS", "61"),
        ("FUNCSVC_PULL_TIMEOUT_SECONDS", "0.5"),
        ("FUNCSVC_PULL_POLICY", "always"),
        ("FUNCSVC_MAX_PULLS", "0"),
        ("FUNCSVC_CAP_CPUS", "maybe"),
        ("FUNCSVC_CAP_CPUS", "2"),
        ("FUNCSVC_ALLOW_LINKS", "nope"),
    ],
)
def test_bad_value_is_refused_with_a_sentence_that_names_the_variable(name, text):
    message = refusal(**{name: text})
    assert message.startswith(f"{name} is not valid: ")
    assert message.endswith(".")


@pytest.mark.parametrize(
    "url",
    ["http://:hunter2@host", "redis://:hunter2", "redis://:hunter2\u2100@host", "redis://u:hunter2@h:x",
     "redis+sentinel://:hunter2@a", "redis+sentinel://:hunter2@[x]/main", "redis://h/0?password=hunter2&x=1",
     "redis+sentinel://a/main?sentinel_password=hunter2&hunter2"],
)  # fmt: skip
def test_password_in_a_bad_value_is_not_shown(url, tmp_path):
    assert "hunter2" not in refusal(FUNCSVC_REDIS_URL=url)
    file = tmp_path / "url"
    file.write_text(url)
    message = refusal(FUNCSVC_REDIS_URL_FILE=str(file))
    assert message.startswith("FUNCSVC_REDIS_URL_FILE is not valid: Must ")
    assert "hunter2" not in message


def test_url_of_redis_is_read_from_its_file(tmp_path):
    file = tmp_path / "url"
    file.write_text("redis://:hunter2@host:1/2\n")
    settings = load_settings({"FUNCSVC_REDIS_URL_FILE": str(file)})
    assert settings.redis_url == "redis://:hunter2@host:1/2"


def test_url_of_redis_is_given_only_once(tmp_path):
    file = tmp_path / "url"
    file.write_text("redis://:hunter2@host:1/2")
    message = refusal(FUNCSVC_REDIS_URL_FILE=str(file), FUNCSVC_REDIS_URL="redis://:hunter2@b")
    assert message == (
        "FUNCSVC_REDIS_URL and FUNCSVC_REDIS_URL_FILE are both set, but only one can be."
    )


@pytest.mark.parametrize("text", ["", "\n", "garbage"])
def test_file_that_has_no_url_of_redis_is_refused(tmp_path, text):
    file = tmp_path / "url"
    file.write_text(text)
    message = refusal(FUNCSVC_REDIS_URL_FILE=str(file))
    assert message.startswith("FUNCSVC_REDIS_URL_FILE is not valid: Must start with redis://, ")


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("FUNCSVC_THREAD", ": did you mean FUNCSVC_THREADS?"),
        ("FUNCSVC_REDIS_URI", ": did you mean FUNCSVC_REDIS_URL?"),
        ("FUNCSVC_ALLOW_LINK", ": did you mean FUNCSVC_ALLOW_LINKS?"),
        ("FUNCSVC_THREADs", ": did you mean FUNCSVC_THREADS?"),
        ("FUNCSVC_", "."),
    ],
)
def test_variable_that_is_no_setting_is_refused_with_the_nearest(name, hint):
    message = refusal(**{name: "1"})
    assert message.startswith(f"{name} is not a setting")
    if hint != ".":
        assert message == f"{name} is not a setting{hint}"


def test_every_problem_is_named_at_once():
    message = refusal(FUNCSVC_WORKERS="x", FUNCSVC_BIND="y", FUNCSVC_TREADS="1")
    for name in ("FUNCSVC_WORKERS", "FUNCSVC_BIND", "FUNCSVC_TREADS"):
        assert f"{name} is not " in message


HELD = (
    "FUNCSVC_MAX_PULLS",
    "FUNCSVC_MAX_WAITS",
    "FUNCSVC_MAX_FOLLOWERS",
    "FUNCSVC_MAX_LONG_ANSWERS",
)


@pytest.mark.parametrize(
    ("threads", "held"),
    [
        (6, (2, 1, 1, 1)),
        (16, (12, 1, 1, 1)),
        (16, (1, 12, 1, 1)),
        (16, (1, 1, 12, 1)),
        (16, (1, 1, 1, 12)),
    ],
)
def test_what_takes_long_always_leaves_a_thread(threads, held):
    just = dict(zip(HELD, map(str, held), strict=True))
    settings = load_settings({"FUNCSVC_THREADS": str(threads), **just})
    assert (settings.max_pulls, *shares(settings)) == held
    assert refusal(**just, FUNCSVC_THREADS=str(threads - 1)) == (
        "FUNCSVC_MAX_PULLS, FUNCSVC_MAX_WAITS, FUNCSVC_MAX_FOLLOWERS and FUNCSVC_MAX_LONG_ANSWERS "
        f"are {threads - 1} in all, but must be less than FUNCSVC_THREADS, which is {threads - 1}: "
        "other requests need a thread while these go on."
    )


def shares(settings):
    return settings.wait_threads, settings.follow_threads, settings.answer_threads


@pytest.mark.parametrize(
    ("threads", "pulls", "expected"),
    [(48, 4, (21, 5, 7)), (8, 4, (1, 1, 1)), (5, 1, (1, 1, 1)), (1024, 4, (509, 127, 169))],
)
def test_long_requests_get_their_shares_of_the_threads(threads, pulls, expected):
    settings = load_settings({"FUNCSVC_THREADS": str(threads), "FUNCSVC_MAX_PULLS": str(pulls)})
    assert shares(settings) == expected


@pytest.mark.parametrize("pulls", [1, 4, 100])
def test_derived_shares_always_leave_a_thread(pulls):
    for threads in range(pulls + 4, 1025):
        load_settings({"FUNCSVC_THREADS": str(threads), "FUNCSVC_MAX_PULLS": str(pulls)})


def test_policy_is_what_the_settings_forbid():
    settings = load_settings({"FUNCSVC_ALLOW_LINKS": "0", "FUNCSVC_ALLOWED_IMAGES": "ubuntu"})
    assert settings.policy == Policy(allow_links=False, allowed_images=("ubuntu",))
    assert load_settings({}).policy == Policy()


def test_settings_can_not_be_changed():
    with pytest.raises(dataclasses.FrozenInstanceError):
        load_settings({}).threads = 1


@pytest.mark.parametrize("field", dataclasses.fields(Settings), ids=lambda field: field.name)
def test_settings_page_has_a_row_for_each_setting(field):
    rows = [row for row in settings_page().splitlines() if row.startswith(f"| `{variable(field)}`")]
    assert len(rows) == 1
    assert rows[0].count(" | ") == 2
    assert rows[0].endswith(f" | {field.metadata['help']} |")


def test_settings_page_is_fresh():
    page = Path(__file__, "../../../docs/settings.md").resolve().read_text()
    assert page == settings_page(), "run `make settings`"
