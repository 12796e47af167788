"""`make run` never begins with nothing where what it stored before is somewhere else."""

from __future__ import annotations

from pathlib import Path

import pytest

from dev import choices
from dev.machine import places

URL, HOST = "redis://10.0.0.1:6379/0", "unix:///var/run/docker.sock"


@pytest.fixture(autouse=True)
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty checkout, whose environment names nothing."""
    monkeypatch.setattr(places, "ROOT", tmp_path)
    monkeypatch.setattr(places, "VAR", tmp_path / "var")
    for variables in choices.VARIABLES.values():
        for variable in variables:
            monkeypatch.delenv(variable, raising=False)
    (tmp_path / "var/run").mkdir(parents=True)
    return tmp_path


def add_data(service: str) -> None:
    choices.folder_of(service).mkdir()
    (choices.folder_of(service) / "data").touch()


def test_first_start_and_the_same_again_pass() -> None:
    for address in (None, URL):
        choices.check("redis", address)
        choices.note("redis", address)
        choices.check("redis", address)
        choices.note("redis", None)
    add_data("redis")
    choices.check("redis", None)


def test_named_redis_does_not_hide_the_data_of_our_own(monkeypatch: pytest.MonkeyPatch) -> None:
    add_data("redis")
    monkeypatch.setenv("FUNCSVC_REDIS_URL", URL)
    with pytest.raises(SystemExit) as refusal:
        choices.check("redis", "redis://user:secret@10.0.0.1:6379/0?ssl_x=1")
    assert refusal.value.code == (
        "`make run` has its funcs and calls in a Redis of its own, in var/run/redis, but now it "
        "would use the one at redis://10.0.0.1:6379/0. To go on with them, unset "
        "FUNCSVC_REDIS_URL; to begin without them, move var/run/redis away."
    )
    choices.folder_of("redis").rename(choices.folder_of("redis").with_suffix(".old"))
    choices.check("redis", URL)


def test_way_back_from_a_redis_that_a_file_names_is_to_unset_the_file(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    add_data("redis")
    monkeypatch.setenv("FUNCSVC_REDIS_URL_FILE", "/etc/url")
    with pytest.raises(SystemExit, match=r"go on with them, unset FUNCSVC_REDIS_URL_FILE; to"):
        choices.check("redis", URL)
    choices.note("redis", "redis://10.0.0.2:6379/0")
    with pytest.raises(SystemExit, match="start it again, or let FUNCSVC_REDIS_URL_FILE name it"):
        choices.check("redis", URL)


@pytest.mark.parametrize("then", [None, "redis://10.0.0.2:6379/0"])
def test_redis_that_was_named_before_is_not_left_in_silence(then: str | None) -> None:
    choices.note("redis", URL)
    with pytest.raises(SystemExit) as refusal:
        choices.check("redis", then)
    assert refusal.value.code == (
        f"`make run` has its funcs and calls in a Redis at {URL}, but now it would use "
        f"{f'the one at {then}' if then else 'one of its own'}. To go on with them, start it "
        "again, or let FUNCSVC_REDIS_URL name it; to begin without them, remove "
        "var/run/redis.address."
    )
    (places.data_folder("run") / "redis.address").unlink()
    choices.check("redis", then)


def test_engine_that_starts_with_the_machine_does_not_take_over_from_our_own() -> None:
    add_data("engine")
    choices.check("engine", None)
    with pytest.raises(SystemExit, match=r"var/run/docker, .* at unix:///.*, stop that one;"):
        choices.check("engine", HOST)


def test_own_engine_does_not_take_over_from_one_that_is_down() -> None:
    choices.note("engine", HOST)
    with pytest.raises(SystemExit, match=r"use one of its own\. To go on with them, start it"):
        choices.check("engine", None)


@pytest.mark.parametrize(
    "address",
    [
        "redis://:secret@host:6379/0",
        "rediss://user:secret@host:6379/0",
        "redis+sentinel://user:secret@host:6379,other:6379/service/0",
        "unix://:secret@/run/redis.sock?password=secret",
    ],
)
def test_note_has_no_secret(address: str) -> None:
    choices.note("redis", address)
    assert "secret" not in (places.data_folder("run") / "redis.address").read_text()
    choices.check("redis", address)
