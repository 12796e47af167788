"""Every setting, declared once: environment variable, type, default, help.

`load_settings` takes the environment as an argument; a bad value stops the start with a sentence.
docs/settings.md is made from this file by `funcsvc settings`.
"""

from __future__ import annotations

import dataclasses
import difflib
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from ipaddress import ip_network
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from limits import RateLimitItem
from limits import parse as parse_rate
from marshmallow import EXCLUDE, Schema, ValidationError, fields, validate

from funcsvc.access.keys import parse_access_keys
from funcsvc.hosts import is_loopback
from funcsvc.models import MEGABYTE
from funcsvc.policy import Policy

PREFIX = "FUNCSVC_"


class InvalidSettings(Exception):
    """Raised when the environment holds a setting that can't be used; its text is for operators."""


class Words(fields.Field[tuple[str, ...]]):
    """A comma-separated list."""

    def _deserialize(self, value: Any, *args: Any, **kwargs: Any) -> tuple[str, ...]:
        return tuple(word.strip() for word in value.split(",") if word.strip())


class LinesOfFile(fields.Field[tuple[str, ...]]):
    """The path of a text file, read as its lines."""

    def _deserialize(self, value: Any, *args: Any, **kwargs: Any) -> tuple[str, ...]:
        try:
            return tuple(Path(value).read_text().splitlines())
        except (OSError, UnicodeDecodeError):
            raise ValidationError("Must be a file of text that can be read.") from None


class RateLimit(fields.Field[RateLimitItem]):
    """A limit such as `20/minute`."""

    def _deserialize(self, value: Any, *args: Any, **kwargs: Any) -> RateLimitItem:
        try:
            return parse_rate(value)
        except ValueError:
            raise ValidationError("Must be a limit such as 20/minute.") from None


def setting(field: fields.Field[Any], text: str, variable: str = "") -> Any:
    """Declare a setting: how its text is read, with its default, and what it does."""
    return dataclasses.field(metadata={"field": field, "help": text, "variable": variable})


def _integer(default: int, low: int, high: int) -> fields.Integer:
    return fields.Integer(load_default=default, validate=validate.Range(low, high))


def _seconds(default: float, low: float, high: float) -> fields.Float:
    return fields.Float(load_default=default, validate=validate.Range(low, high))


def _flag(default: bool) -> fields.Boolean:
    truthy, falsy = {"1", "true", "yes", "on"}, {"0", "false", "no", "off"}
    return fields.Boolean(load_default=default, truthy=truthy, falsy=falsy)


def _check_bind(value: str) -> None:
    if re.fullmatch(r"unix:/.+", value):
        return
    host, _, port = value.rpartition(":")
    if not host or not port.isdecimal() or not 0 <= int(port) <= 65535:
        raise ValidationError("Must be host:port or unix:/path.")


def is_sentinel_url(url: str) -> bool:
    """Tell whether a Redis URL names sentinels, and not a Redis."""
    return url.startswith("redis+sentinel://")


def _check_docker_host(value: str) -> None:
    if not re.fullmatch(r"(unix|tcp|http|https)://.+", value):
        raise ValidationError("Must start with unix://, tcp://, http:// or https://.")


def _check_networks(value: tuple[str, ...]) -> None:
    for word in value:
        try:
            ip_network(word)
        except ValueError:
            raise ValidationError(f"Must be addresses or networks, and {word} is none.") from None


def _check_redis_url(value: str) -> None:
    if is_sentinel_url(value):
        if not _SENTINEL_URL.fullmatch(value):
            raise ValidationError("Must be redis+sentinel://host:port,host:port/service/0.")
        return
    try:
        parts = urlsplit(value)
        _ = parts.port
    except ValueError:
        raise ValidationError("Must be a URL.") from None
    if parts.scheme not in ("redis", "rediss", "unix"):
        raise ValidationError("Must start with redis://, rediss://, unix:// or redis+sentinel://.")
    unknown = {name for name, _ in parse_qsl(parts.query)} - {"db", "password"}
    if not all(name.startswith("ssl_") for name in unknown):
        raise ValidationError("May carry the options db, password and ssl_… only.")


_HOST_PORT = r"[^/@:,]+:[0-9]{1,5}"
_SENTINEL_URL = re.compile(
    rf"redis\+sentinel://([^/@]*@)?{_HOST_PORT}(,{_HOST_PORT})*/[^/?]+(/[0-9]+)?"
)


DEFAULT_WORKERS = max(1, min(len(os.sched_getaffinity(0)), 8))
DEFAULT_THREADS = 32


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The settings of one process. Durations are in seconds."""

    bind: str = setting(
        fields.String(load_default="127.0.0.1:8000", validate=_check_bind),
        "Where the web process listens: `host:port` or `unix:/path`.",
    )
    workers: int = setting(
        _integer(DEFAULT_WORKERS, 1, 256),
        "Web worker processes. By default one for each CPU, 8 at the most.",
    )
    threads: int = setting(
        _integer(DEFAULT_THREADS, 4, 1024), "Threads of each web worker process."
    )
    body_timeout_seconds: float = setting(
        _seconds(10, 0.1, 600), "How long a client may take to send a request, its body included."
    )
    keepalive_seconds: int = setting(
        _integer(75, 1, 3600),
        "How long an idle connection is kept. More than the proxy's own idle time.",
    )
    graceful_timeout_seconds: int = setting(
        _integer(30, 1, 3600), "How long requests may go on after SIGTERM."
    )
    log_level: str = setting(
        fields.String(
            load_default="info",
            validate=validate.OneOf(["debug", "info", "warning", "error", "critical"]),
        ),
        "What is logged on standard error.",
    )
    redis_url: str = setting(
        fields.String(load_default="redis://127.0.0.1:6379/0", validate=_check_redis_url),
        "Redis: `redis://`, `rediss://` (TLS) or `unix://`, with user and password where needed; "
        "or its sentinels: `redis+sentinel://host:port,host:port/service/0`.",
    )
    redis_prefix: str = setting(
        fields.String(load_default="funcsvc:", validate=validate.Length(1, 64)),
        "What every key in Redis starts with.",
    )
    redis_timeout_seconds: float = setting(
        _seconds(2, 0.1, 60), "How long Redis may take to answer one request."
    )
    engine_timeout_seconds: float = setting(
        _seconds(5, 0.1, 60), "How long the Docker Engine may take to answer one request."
    )
    engine_start_seconds: float = setting(
        _seconds(30, 1, 600),
        "How long the Docker Engine may take to create and start, or to remove, one container.",
    )
    engine_remember_seconds: float = setting(
        _seconds(5, 0, 60),
        "How long the engine's word on an image or on its capacity is believed. 0 asks every time.",
    )
    pull_policy: str = setting(
        fields.String(load_default="missing", validate=validate.OneOf(["missing", "never"])),
        "Whether an image that the engine lacks is pulled.",
    )
    pull_timeout_seconds: float = setting(
        _seconds(300, 1, 3600), "How long a pull may take, waiting for its turn included."
    )
    max_pulls: int = setting(
        _integer(4, 1, 512),
        "How many requests of one web worker process may wait for pulls at once; more get 503. "
        "Always fewer than the threads.",
    )
    allowed_images: tuple[str, ...] = setting(
        Words(load_default=()),
        "Comma-separated patterns of the images that functions may use; empty allows all. "
        "`*` matches within one part of a name, `**` also across `/`.",
    )
    cap_cpus: bool = setting(
        _flag(False),
        "Accept sizes with more CPUs than the engine has; their quota is then all of its CPUs.",
    )
    allow_host_network: bool = setting(_flag(True), "Allow NetworkMode `host`.")
    allow_container_network: bool = setting(_flag(True), "Allow NetworkMode `container:…`.")
    allow_links: bool = setting(_flag(True), "Allow Links.")
    allow_published_ports: bool = setting(_flag(True), "Allow PortBindings and PublishAllPorts.")
    allow_volumes_from: bool = setting(_flag(True), "Allow VolumesFrom.")
    access_keys: tuple[str, ...] = setting(
        Words(load_default=(), metadata={"secret": True}),
        "Access keys of the management API: `<key>:<secret>,<key>:<secret>`. Without any, here or "
        "in the file, the API is open, to loopback only.",
    )
    access_keys_file: tuple[str, ...] = setting(
        LinesOfFile(load_default=()),
        "A file of access keys, one `<key>:<secret>` a line, instead or in addition. It is read at "
        "the start; SIGHUP to gunicorn's master reads it again.",
    )
    failed_attempts: RateLimitItem = setting(
        RateLimit(load_default=parse_rate("20/minute")),
        "How many requests with a wrong access key or signature one client address may send.",
    )
    trusted_proxies: tuple[str, ...] = setting(
        Words(load_default=(), validate=_check_networks),
        "Comma-separated addresses or networks of proxies whose X-Forwarded-For is believed.",
    )
    proxy_guards: bool = setting(
        _flag(False),
        "Say that a proxy guards an open management API: without access keys, the service then "
        "listens on other addresses than loopback, and answers to every Host.",
    )
    max_waits: int = setting(
        _integer(0, 0, 1024),
        "How many requests of one web worker process may wait for the end of a call at once "
        "(`/sync`, `/wait`); more get 503. 0 is three quarters of the threads that pulls leave.",
    )
    max_followers: int = setting(
        _integer(0, 0, 1024),
        "How many requests of one web worker process may follow logs at once; more get 503. 0 is "
        "an eighth of the threads that pulls leave.",
    )
    max_wait_seconds: float = setting(
        _seconds(90000, 1, 604800),
        "How long one request may wait for the end of a call; then it is told that the call is "
        "pending or running.",
    )
    max_pending: int = setting(
        _integer(200_000, 1, 10_000_000), "How many calls of one function may be pending."
    )
    max_running: int = setting(
        _integer(0, 0, 10_000),
        "How many calls of one function may run at once, over all workers; 0 is as many as there "
        "are slots.",
    )
    max_outputs_bytes: int = setting(
        _integer(50 * MEGABYTE, 0, 1024 * MEGABYTE),
        "How much of a function's outputs is kept, in bytes, until somebody asks for them; beyond "
        "it the oldest go.",
    )
    max_log_bytes: int = setting(
        _integer(50 * MEGABYTE, 4096, 1024 * MEGABYTE),
        "How much of a function's events is kept, in bytes.",
    )
    slots: int = setting(
        _integer(10, 1, 512), "How many calls one `funcsvc worker` runs at once: the quota."
    )
    lease_seconds: float = setting(
        _seconds(15, 1, 600),
        "How long a worker that says nothing keeps its calls; then another takes them over.",
    )
    engine_gone_seconds: float = setting(
        _seconds(60, 1, 86400),
        "How long the engine of a running call may be gone before the call has failed.",
    )
    worker_grace_seconds: float = setting(
        _seconds(10, 0, 86400),
        "How long a worker goes on with its calls after SIGTERM; what then still runs is left to "
        "the next worker.",
    )
    waiting_per_func: int = setting(
        _integer(10, 0, 1000),
        "How many instances of one function may wait, started, for its next calls, in one worker. "
        "0 turns waiting instances off.",
    )
    waiting_instances: int = setting(
        _integer(20, 0, 10_000), "How many instances may wait in one worker, of all functions."
    )
    waiting_memory_bytes: int = setting(
        _integer(8192 * MEGABYTE, 0, 1024 * 1024 * MEGABYTE),
        "How much memory the sizes of one worker's waiting instances may have in all.",
    )
    waiting_cover_seconds: float = setting(
        _seconds(5, 0, 600),
        "For how many seconds of calls at a function's usual rate instances wait.",
    )
    waiting_idle_seconds: float = setting(
        _seconds(600, 1, 604_800),
        "After how many seconds without a call a function has no instances waiting any more.",
    )
    hardened: bool = setting(
        _flag(True),
        "Run functions without new privileges and with few capabilities; false brings Docker's "
        "own defaults back.",
    )
    read_only_root: bool = setting(
        _flag(False), "Run functions on a read-only root, with a writable `/tmp` in memory."
    )
    runtime: str = setting(
        fields.String(load_default="", validate=validate.Regexp(r"[A-Za-z0-9._-]*\Z")),
        "The engine's runtime for functions, such as `runsc`; empty is the engine's default.",
    )
    max_processes: int = setting(
        _integer(512, 2, 4_000_000), "How many processes and threads one function may have."
    )
    container_log_bytes: int = setting(
        _integer(4 * MEGABYTE, 2 * MEGABYTE, 1024 * MEGABYTE),
        "How much of a container's output the engine keeps on its disk, twice over.",
    )
    docker_host: str = setting(
        fields.String(load_default="unix:///var/run/docker.sock", validate=_check_docker_host),
        "The Docker Engine, as for the docker CLI. DOCKER_TLS_VERIFY, DOCKER_CERT_PATH and "
        "DOCKER_CONFIG (registry credentials) are read as the CLI reads them.",
        variable="DOCKER_HOST",
    )

    @property
    def all_access_keys(self) -> dict[str, str]:
        """The secret of each access key."""
        return parse_access_keys([*self.access_keys, *self.access_keys_file])

    @property
    def wait_threads(self) -> int:
        """How many threads may wait for calls."""
        return self.max_waits or max(1, (self.threads - self.max_pulls - 1) * 3 // 4)

    @property
    def follow_threads(self) -> int:
        """How many threads may follow logs."""
        return self.max_followers or max(1, (self.threads - self.max_pulls - 1) // 8)

    @property
    def policy(self) -> Policy:
        """What the operator forbids."""
        names = (field.name for field in dataclasses.fields(Policy))
        return Policy(**{name: getattr(self, name) for name in names})


def load_settings(environment: Mapping[str, str]) -> Settings:
    """Return the settings that an environment holds; raises InvalidSettings naming every bad one.

    A variable that is set and empty counts as not set.
    """
    given = {name: value for name, value in environment.items() if value}
    problems = list(_unknown(given))
    try:
        settings = Settings(**_SCHEMA.load(given, unknown=EXCLUDE))
    except ValidationError as error:
        messages = error.normalized_messages()  # type: ignore[no-untyped-call]  # marshmallow's gap
        problems += [_problem(name, messages[name]) for name in sorted(messages)]
    else:
        problems += _checks(settings)
    if problems:
        raise InvalidSettings(" ".join(problems))
    return settings


def settings_page() -> str:
    """Return docs/settings.md."""
    rows = "\n".join(_row(field) for field in dataclasses.fields(Settings))
    return (
        "# Settings\n\n"
        "Settings are environment variables. A bad value stops the start with a sentence that "
        "names it.\nThis page is made from `funcsvc/config.py` by `make settings`.\n\n"
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
    return f"{name} is not valid: {' '.join(messages)}"  # without its value, which may be secret


def _checks(settings: Settings) -> Iterator[str]:
    held = settings.max_pulls + settings.wait_threads + settings.follow_threads
    if held >= settings.threads:
        yield (
            f"FUNCSVC_MAX_PULLS, FUNCSVC_MAX_WAITS and FUNCSVC_MAX_FOLLOWERS are {held} in all, "
            f"but must be less than FUNCSVC_THREADS, which is {settings.threads}: other requests "
            "need a thread while these go on."
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


def _row(field: dataclasses.Field[Any]) -> str:
    default = field.metadata["field"].load_default
    if field.name == "workers":
        shown = "the CPUs"
    elif isinstance(default, bool):
        shown = str(default).lower()
    else:
        shown = f"{default:g}" if isinstance(default, float) else str(default or "empty")
    return f"| `{_variable(field)}` | {shown} | {field.metadata['help']} |"
