"""Every setting, declared once: environment variable, type, default, help."""

from __future__ import annotations

import dataclasses
import os
from dataclasses import dataclass

from limits import RateLimitItem
from limits import parse as parse_rate
from marshmallow import fields, validate

from funcsvc.config.access_keys import parse_access_keys
from funcsvc.config.kinds import (
    LinesOfFile,
    RateLimit,
    Words,
    check_bind,
    check_docker_host,
    check_networks,
    check_redis_url,
    flag,
    integer,
    seconds,
    setting,
)
from funcsvc.model import MEGABYTE, Policy

DEFAULT_WORKERS = max(1, min(len(os.sched_getaffinity(0)), 8))
DEFAULT_THREADS = 32


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The settings of one process. Durations are in seconds."""

    bind: str = setting(
        fields.String(load_default="127.0.0.1:8000", validate=check_bind),
        "Where the web process listens: `host:port` or `unix:/path`.",
    )
    workers: int = setting(
        integer(DEFAULT_WORKERS, 1, 256),
        "Web worker processes. By default one for each CPU, 8 at the most.",
    )
    threads: int = setting(integer(DEFAULT_THREADS, 4, 1024), "Threads of each web worker process.")
    body_timeout_seconds: float = setting(
        seconds(10, 0.1, 600), "How long a client may take to send a request, its body included."
    )
    keepalive_seconds: int = setting(
        integer(75, 1, 3600),
        "How long an idle connection is kept. More than the proxy's own idle time.",
    )
    graceful_timeout_seconds: int = setting(
        integer(30, 1, 3600), "How long requests may go on after SIGTERM."
    )
    log_level: str = setting(
        fields.String(
            load_default="info",
            validate=validate.OneOf(["debug", "info", "warning", "error", "critical"]),
        ),
        "What is logged on standard error.",
    )
    redis_url: str = setting(
        fields.String(load_default="redis://127.0.0.1:6379/0", validate=check_redis_url),
        "Redis: `redis://`, `rediss://` (TLS) or `unix://`, with user and password where needed; "
        "or its sentinels: `redis+sentinel://host:port,host:port/service/0`.",
    )
    redis_prefix: str = setting(
        fields.String(load_default="funcsvc:", validate=validate.Length(1, 64)),
        "What every key in Redis starts with.",
    )
    redis_timeout_seconds: float = setting(
        seconds(2, 0.1, 60), "How long Redis may take to answer one request."
    )
    engine_timeout_seconds: float = setting(
        seconds(5, 0.1, 60), "How long the Docker Engine may take to answer one request."
    )
    engine_start_seconds: float = setting(
        seconds(30, 1, 600),
        "How long the Docker Engine may take to create and start, or to remove, one container.",
    )
    engine_remember_seconds: float = setting(
        seconds(5, 0, 60),
        "How long the engine's word on an image or on its capacity is believed. 0 asks every time.",
    )
    pull_policy: str = setting(
        fields.String(load_default="missing", validate=validate.OneOf(["missing", "never"])),
        "Whether an image that the engine lacks is pulled.",
    )
    pull_timeout_seconds: float = setting(
        seconds(300, 1, 3600), "How long a pull may take, waiting for its turn included."
    )
    max_pulls: int = setting(
        integer(4, 1, 512),
        "How many requests of one web worker process may wait for pulls at once; more get 503. "
        "Always fewer than the threads.",
    )
    allowed_images: tuple[str, ...] = setting(
        Words(load_default=()),
        "Comma-separated patterns of the images that functions may use; empty allows all. "
        "`*` matches within one part of a name, `**` also across `/`.",
    )
    cap_cpus: bool = setting(
        flag(False),
        "Accept sizes with more CPUs than the engine has; their quota is then all of its CPUs.",
    )
    allow_host_network: bool = setting(flag(True), "Allow NetworkMode `host`.")
    allow_container_network: bool = setting(flag(True), "Allow NetworkMode `container:…`.")
    allow_links: bool = setting(flag(True), "Allow Links.")
    allow_published_ports: bool = setting(flag(True), "Allow PortBindings and PublishAllPorts.")
    allow_volumes_from: bool = setting(flag(True), "Allow VolumesFrom.")
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
        Words(load_default=(), validate=check_networks),
        "Comma-separated addresses or networks of proxies whose X-Forwarded-For is believed.",
    )
    proxy_guards: bool = setting(
        flag(False),
        "Say that a proxy guards an open management API: without access keys, the service then "
        "listens on other addresses than loopback, and answers to every Host.",
    )
    max_waits: int = setting(
        integer(0, 0, 1024),
        "How many requests of one web worker process may wait for the end of a call at once "
        "(`/sync`, `/wait`); more get 503. 0 is three quarters of the threads that pulls leave.",
    )
    max_followers: int = setting(
        integer(0, 0, 1024),
        "How many requests of one web worker process may follow logs at once; more get 503. 0 is "
        "an eighth of the threads that pulls leave.",
    )
    max_wait_seconds: float = setting(
        seconds(90000, 1, 604800),
        "How long one request may wait for the end of a call; then it is told that the call is "
        "pending or running.",
    )
    max_pending: int = setting(
        integer(200_000, 1, 10_000_000), "How many calls of one function may be pending."
    )
    max_running: int = setting(
        integer(0, 0, 10_000),
        "How many calls of one function may run at once, over all workers; 0 is as many as there "
        "are slots.",
    )
    max_outputs_bytes: int = setting(
        integer(50 * MEGABYTE, 2 * MEGABYTE, 1024 * MEGABYTE),
        "How much of a function's outputs is kept, in bytes, until somebody asks for them; beyond "
        "it the oldest go. At least 2 MB, so that the newest is always there.",
    )
    max_log_bytes: int = setting(
        integer(50 * MEGABYTE, 4096, 1024 * MEGABYTE),
        "How much of a function's events is kept, in bytes.",
    )
    slots: int = setting(
        integer(10, 1, 512), "How many calls one `funcsvc worker` runs at once: the quota."
    )
    lease_seconds: float = setting(
        seconds(15, 1, 600),
        "How long a worker that says nothing keeps its calls; then another takes them over.",
    )
    engine_gone_seconds: float = setting(
        seconds(60, 1, 86400),
        "How long the engine of a running call may be gone before the call has failed.",
    )
    worker_grace_seconds: float = setting(
        seconds(10, 0, 86400),
        "How long a worker goes on with its calls after SIGTERM; what then still runs is left to "
        "the next worker.",
    )
    waiting_per_func: int = setting(
        integer(10, 0, 1000),
        "How many instances of one function may wait, started, for its next calls, in one worker. "
        "0 turns waiting instances off.",
    )
    waiting_instances: int = setting(
        integer(20, 0, 10_000), "How many instances may wait in one worker, of all functions."
    )
    waiting_memory_bytes: int = setting(
        integer(8192 * MEGABYTE, 0, 1024 * 1024 * MEGABYTE),
        "How much memory the sizes of one worker's waiting instances may have in all.",
    )
    waiting_cover_seconds: float = setting(
        seconds(5, 0, 600),
        "For how many seconds of calls at a function's usual rate instances wait.",
    )
    waiting_idle_seconds: float = setting(
        seconds(600, 1, 604_800),
        "After how many seconds without a call a function has no instances waiting any more.",
    )
    hardened: bool = setting(
        flag(True),
        "Run functions without new privileges and with few capabilities; false brings Docker's "
        "own defaults back.",
    )
    read_only_root: bool = setting(
        flag(False), "Run functions on a read-only root, with a writable `/tmp` in memory."
    )
    runtime: str = setting(
        fields.String(load_default="", validate=validate.Regexp(r"[A-Za-z0-9._-]*\Z")),
        "The engine's runtime for functions, such as `runsc`; empty is the engine's default.",
    )
    max_processes: int = setting(
        integer(512, 2, 4_000_000), "How many processes and threads one function may have."
    )
    container_log_bytes: int = setting(
        integer(4 * MEGABYTE, 2 * MEGABYTE, 1024 * MEGABYTE),
        "How much of a container's output the engine keeps on its disk, twice over.",
    )
    docker_host: str = setting(
        fields.String(load_default="unix:///var/run/docker.sock", validate=check_docker_host),
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
