"""Reads settings from an environment, and writes the page that documents them."""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Iterator, Mapping
from typing import Any

from marshmallow import EXCLUDE, Schema, ValidationError, fields

from funcsvc.config.settings import Settings
from funcsvc.model import is_loopback

PREFIX = "FUNCSVC_"


class InvalidSettings(Exception):
    """Raised when the environment has settings that can't be used. The message is for operators."""


def load_settings(environment: Mapping[str, str]) -> Settings:
    """Return the settings in an environment. Raises InvalidSettings, which names every bad one.

    A variable that is set but empty counts as unset.
    """
    given = {name: value for name, value in environment.items() if value}
    problems = list(_unknown(given))
    try:
        settings = Settings(**_SCHEMA.load(given, unknown=EXCLUDE))
    except ValidationError as error:
        messages = error.normalized_messages()  # type: ignore[no-untyped-call]  # untyped in marshmallow
        problems += [_problem(name, messages[name]) for name in sorted(messages)]
    else:
        problems += _checks(settings, given)
    if problems:
        raise InvalidSettings(" ".join(problems))
    return _with_url_of_file(settings)


def _with_url_of_file(settings: Settings) -> Settings:
    if not settings.redis_url_file:
        return settings
    return dataclasses.replace(settings, redis_url=settings.redis_url_file)


def settings_page() -> str:
    """Return the text of docs/settings.md."""
    rows = "\n".join(_row(field) for field in dataclasses.fields(Settings))
    return (
        "# Settings\n\n"
        "Settings are environment variables. The service refuses to start with a bad value, and "
        "says which it is.\n"
        "This page is generated from `funcsvc/config/settings.py` by `make settings`.\n\n"
        f"| variable | default | what it does |\n| --- | --- | --- |\n{rows}\n"
    )


def _variable(field: dataclasses.Field[Any]) -> str:
    return field.metadata["variable"] or PREFIX + field.name.upper()


def _keyed(field: dataclasses.Field[Any]) -> fields.Field[Any]:
    declared: fields.Field[Any] = field.metadata["field"]
    declared.data_key = _variable(field)
    return declared


_SCHEMA = Schema.from_dict(
    {field.name: _keyed(field) for field in dataclasses.fields(Settings)}, name="SettingsSchema"
)()


def _unknown(given: Mapping[str, str]) -> Iterator[str]:
    known = [_variable(field) for field in dataclasses.fields(Settings)]
    for name in sorted(given):
        if name.startswith(PREFIX) and name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f": did you mean {near[0]}?" if near else "."
            yield f"{name} is not a setting{hint}"


def _problem(name: str, messages: list[str]) -> str:
    return f"{name} is not valid: {' '.join(messages)}"  # not the value, which might be secret


def _checks(settings: Settings, given: Mapping[str, str]) -> Iterator[str]:
    if {"FUNCSVC_REDIS_URL", "FUNCSVC_REDIS_URL_FILE"} <= given.keys():
        yield "FUNCSVC_REDIS_URL and FUNCSVC_REDIS_URL_FILE are both set, but only one can be."
    held = settings.max_pulls + settings.wait_threads + settings.follow_threads
    held += settings.answer_threads
    if held >= settings.threads:
        yield (
            "FUNCSVC_MAX_PULLS, FUNCSVC_MAX_WAITS, FUNCSVC_MAX_FOLLOWERS and "
            f"FUNCSVC_MAX_LONG_ANSWERS are {held} in all, but must be less than FUNCSVC_THREADS, "
            f"which is {settings.threads}: other requests need a thread while these go on."
        )
    try:
        has_keys = bool(settings.all_access_keys)
    except ValueError as error:
        yield f"The access keys are not valid: {error}"
        return
    if not has_keys and not settings.proxy_guards and not _is_loopback_bind(settings.bind):
        yield (
            f"FUNCSVC_BIND is {settings.bind}, but without access keys the service listens on "
            "loopback only: set FUNCSVC_ACCESS_KEYS, or FUNCSVC_PROXY_GUARDS=true if a proxy in "
            "front decides who may come in."
        )


def _is_loopback_bind(bind: str) -> bool:
    return bind.startswith("unix:") or is_loopback(bind.rpartition(":")[0].strip("[]"))


def _text(default: Any) -> str:
    return "empty" if default in ("", ()) else str(default)


def _row(field: dataclasses.Field[Any]) -> str:
    default = field.metadata["field"].load_default
    if field.name == "workers":
        shown = "one per CPU"
    elif isinstance(default, bool):
        shown = str(default).lower()
    else:
        shown = f"{default:g}" if isinstance(default, float) else _text(default)
    return f"| `{_variable(field)}` | {shown} | {field.metadata['help']} |"
