"""Every setting, declared once: environment variable, type, default and help text."""

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
    TextOfFile,
    Words,
    check_bind,
    check_docker_host,
    check_network_name,
    check_networks,
    flag,
    integer,
    seconds,
    setting,
)
from funcsvc.config.redis_url import check_redis_url
from funcsvc.model import MEGABYTE, Policy

DEFAULT_WORKERS = max(1, min(len(os.sched_getaffinity(0)), 8))
DEFAULT_THREADS = 48


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The settings of one process. Durations are in seconds."""

    bind: str = setting(
        fields.String(load_default="127.0.0.1:8000", validate=check_bind),
        "Where the web process listens: `host:port`, or `unix:/path` of at most 107 bytes.",
    )
    workers: int = setting(
        integer(DEFAULT_WORKERS, 1, 256),
        "The number of web worker processes. The default is one per CPU, at most 8.",
    )
    threads: int = setting(
        integer(DEFAULT_THREADS, 5, 1024), "The number of threads in each web worker process."
    )
    body_timeout_seconds: float = setting(
        seconds(10, 0.1, 600), "How long a client may take to send a request, including its body."
    )
    keepalive_seconds: int = setting(
        integer(75, 1, 3600),
        "How long an idle connection is kept open. Set it longer than the reverse proxy's own "
        "idle timeout.",
    )
    graceful_timeout_seconds: int = setting(
        integer(30, 1, 3600), "How long requests may continue after SIGTERM."
    )
    log_level: str = setting(
        fields.String(
            load_default="info",
            validate=validate.OneOf(["debug", "info", "warning", "error", "critical"]),
        ),
        "The lowest level that is logged to standard error: `debug`, `info`, `warning`, `error` "
        "or `critical`.",
    )
    redis_url: str = setting(
        fields.String(load_default="redis://127.0.0.1:6379/0", validate=check_redis_url),
        "The URL of Redis: `redis://`, `rediss://` (TLS) or `unix://`, with user and password if "
        "needed; or of its sentinels: `redis+sentinel://host:port,[::1]:26379/service/0`, or "
        "`rediss+sentinel://` (TLS to both). User and password are those of Redis; the sentinels' "
        "are the options `sentinel_username` and `sentinel_password`. TLS has the options "
        "`ssl_ca_certs`, `ssl_ca_path`, `ssl_certfile`, `ssl_keyfile`, `ssl_cert_reqs` and "
        "`ssl_check_hostname`. Reserved characters are percent-encoded.",
    )
    redis_url_file: str = setting(
        TextOfFile(load_default="", validate=check_redis_url),
        "A file that has the URL of Redis, instead of FUNCSVC_REDIS_URL. Like "
        "FUNCSVC_ACCESS_KEYS_FILE, it is read on startup, and again when gunicorn's master process "
        "gets SIGHUP.",
    )
    redis_prefix: str = setting(
        fields.String(load_default="funcsvc:", validate=validate.Length(1, 64)),
        "The prefix of every key in Redis.",
    )
    redis_timeout_seconds: float = setting(
        seconds(2, 0.1, 60), "How long Redis may take to answer one request."
    )
    engine_timeout_seconds: float = setting(
        seconds(5, 0.1, 60), "How long the Docker Engine may take to answer one request."
    )
    engine_start_seconds: float = setting(
        seconds(30, 1, 600),
        "How long the Docker Engine may take to create and start one container, or to remove one "
        "or an image, or to check a login.",
    )
    engine_remember_seconds: float = setting(
        seconds(5, 0, 60),
        "How long the engine's answers about images and its capacity are cached. 0 asks every "
        "time.",
    )
    pull_policy: str = setting(
        fields.String(load_default="missing", validate=validate.OneOf(["missing", "never"])),
        "Whether images that the engine lacks are pulled: `missing` pulls them, `never` doesn't.",
    )
    pull_timeout_seconds: float = setting(
        seconds(300, 1, 3600), "How long a pull may take, including the wait for its turn."
    )
    max_pulls: int = setting(
        integer(4, 1, 512),
        "How many requests in one web worker process may wait for pulls and logins at once; "
        "further ones get 503. This, FUNCSVC_MAX_WAITS, FUNCSVC_MAX_FOLLOWERS and "
        "FUNCSVC_MAX_LONG_ANSWERS must add up to less than FUNCSVC_THREADS.",
    )
    allowed_images: tuple[str, ...] = setting(
        Words(load_default=()),
        "Comma-separated patterns for the images that functions may use; empty allows all. `*` "
        "matches within one part of a name, `**` also across `/`.",
    )
    cap_cpus: bool = setting(
        flag(False),
        "Accept sizes with more CPUs than the engine has; such functions can then use all of its "
        "CPUs.",
    )
    allow_host_network: bool = setting(flag(True), "Allow NetworkMode `host`.")
    allow_container_network: bool = setting(flag(True), "Allow NetworkMode `container:…`.")
    allow_links: bool = setting(flag(True), "Allow Links.")
    allow_published_ports: bool = setting(flag(True), "Allow PortBindings and PublishAllPorts.")
    allow_volumes_from: bool = setting(flag(True), "Allow VolumesFrom.")
    allow_image_removal: bool = setting(
        flag(False),
        "Allow clients to remove images from the engine, except those that functions are defined "
        "with and those that FUNCSVC_ALLOWED_IMAGES hides. Off by default, since other programs "
        "might use the same engine.",
    )
    access_keys: tuple[str, ...] = setting(
        Words(load_default=(), metadata={"secret": True}),
        "Access keys of the management API: `<key>:<secret>,<key>:<secret>`. Without any, here or "
        "in FUNCSVC_ACCESS_KEYS_FILE, the API is open, but only on loopback.",
    )
    access_keys_file: tuple[str, ...] = setting(
        LinesOfFile(load_default=()),
        "A file of access keys, one `<key>:<secret>` per line, used in addition to "
        "FUNCSVC_ACCESS_KEYS. It is read on startup, and again when gunicorn's master process "
        "gets SIGHUP.",
    )
    failed_attempts: RateLimitItem = setting(
        RateLimit(load_default=parse_rate("20/minute")),
        "How often one client address may send a wrong secret or signature for a known access key, "
        "and how often unknown keys, before it gets 429. The right key passes all the same.",
    )
    trusted_proxies: tuple[str, ...] = setting(
        Words(load_default=(), validate=check_networks),
        "Comma-separated addresses or networks of proxies whose X-Forwarded-For is trusted.",
    )
    proxy_guards: bool = setting(
        flag(False),
        "Set this if a reverse proxy guards the management API: the service can then listen "
        "beyond loopback without access keys, and accepts any Host header.",
    )
    max_waits: int = setting(
        integer(0, 0, 1024),
        "How many requests in one web worker process may wait for calls to end at once (`/sync`, "
        "`/wait`); further ones get 503. 0 means half of the threads not set aside for pulls.",
    )
    max_followers: int = setting(
        integer(0, 0, 1024),
        "How many requests in one web worker process may follow logs at once; further ones get "
        "503. 0 means an eighth of the threads not set aside for pulls.",
    )
    max_long_answers: int = setting(
        integer(0, 0, 1024),
        "How many requests in one web worker process may be sent long answers at once (logs, "
        "lists, outputs over 64 KiB), or any that their clients read slowly; further ones get 503. "
        "0 means a sixth of the threads not set aside for pulls.",
    )
    min_bytes_per_second: int = setting(
        integer(16_384, 1, 1024 * MEGABYTE),
        "How fast a client must read, measured over 10 seconds; slower ones are cut off.",
    )
    func_share_percent: int = setting(
        integer(50, 1, 100),
        "How large a part of the places one function may take, in percent: of each web worker "
        "process's places for long answers, always; of those for requests that wait and that "
        "follow logs, while other functions want them; and of a worker's slots, while calls of "
        "other functions want them. At least one of each.",
    )
    max_wait_seconds: float = setting(
        seconds(90000, 1, 604800),
        "How long a request may wait for a call to end; after that, it is told that the call is "
        "still pending or running.",
    )
    max_pending: int = setting(
        integer(200_000, 1, 10_000_000), "How many calls of one function may be pending at once."
    )
    max_pending_bytes: int = setting(
        integer(256 * MEGABYTE, 2 * MEGABYTE, 1024 * 1024 * MEGABYTE),
        "How many bytes one function's calls may have before they end: payload and environment, "
        "and 1 KiB for each call. Redis can take a quarter more memory for them, since it rounds "
        "up what it allocates. At least 2 MB, so that any call has room.",
    )
    max_all_pending_bytes: int = setting(
        integer(1024 * MEGABYTE, 2 * MEGABYTE, 1024 * 1024 * MEGABYTE),
        "How many bytes the calls of all functions together may have before they end, counted in "
        "the same way.",
    )
    max_running: int = setting(
        integer(0, 0, 10_000),
        "How many calls of one function may run at once, across all workers; 0 means that only "
        "the slots limit them.",
    )
    max_outputs_bytes: int = setting(
        integer(50 * MEGABYTE, 2 * MEGABYTE, 1024 * MEGABYTE),
        "How many bytes of a function's outputs are kept until they are fetched; beyond that, the "
        "oldest are dropped. At least 2 MB, so that the newest is always kept.",
    )
    max_log_bytes: int = setting(
        integer(50 * MEGABYTE, 4096, 1024 * MEGABYTE),
        "How many bytes of a function's events are kept.",
    )
    slots: int = setting(integer(10, 1, 512), "How many calls one `funcsvc worker` runs at once.")
    lease_seconds: float = setting(
        seconds(15, 1, 600),
        "How long a worker that has gone silent keeps its calls before another worker takes them "
        "over.",
    )
    engine_gone_seconds: float = setting(
        seconds(60, 1, 86400),
        "How long the engine of a running call may be out of reach before the call fails.",
    )
    worker_grace_seconds: float = setting(
        seconds(10, 0, 86400),
        "How long a worker continues with its calls after SIGTERM; those still running after that "
        "are left to the next worker.",
    )
    waiting_per_func: int = setting(
        integer(10, 0, 1000),
        "How many started instances of one function may wait for its next calls in one worker. 0 "
        "turns waiting instances off.",
    )
    waiting_instances: int = setting(
        integer(20, 0, 10_000),
        "How many instances of all functions together may wait in one worker.",
    )
    waiting_memory_bytes: int = setting(
        integer(8192 * MEGABYTE, 0, 1024 * 1024 * MEGABYTE),
        "How many bytes of memory one worker's waiting instances may have in total, by their "
        "sizes.",
    )
    waiting_cover_seconds: float = setting(
        seconds(5, 0, 600),
        "How many seconds of calls a function's waiting instances should cover, at its recent "
        "rate.",
    )
    waiting_idle_seconds: float = setting(
        seconds(600, 1, 604_800),
        "How long after its last call a function keeps waiting instances.",
    )
    hardened: bool = setting(
        flag(True),
        "Run functions with `no-new-privileges` and few capabilities; `false` restores Docker's "
        "defaults.",
    )
    read_only_root: bool = setting(
        flag(False),
        "Run functions on a read-only root file system, with a writable `/tmp` in memory.",
    )
    runtime: str = setting(
        fields.String(load_default="", validate=validate.Regexp(r"[A-Za-z0-9._-]*\Z")),
        "The engine's runtime for functions, such as `runsc`; empty means the engine's default.",
    )
    network: str = setting(
        fields.String(load_default="", validate=check_network_name),
        "The engine's network for functions with NetworkMode `bridge`; empty means the engine's "
        "own, `bridge`. Links are refused on any other. A worker takes no calls while it doesn't "
        "exist.",
    )
    max_processes: int = setting(
        integer(512, 2, 4_000_000), "How many processes and threads one container may have."
    )
    max_disk_bytes: int = setting(
        integer(1024 * MEGABYTE, 0, 1024 * 1024 * MEGABYTE),
        "How many bytes one container may write to the engine's disk; a call that writes more is "
        "killed soon afterwards. Sparse files count in full length. 0 sets no limit.",
    )
    container_log_bytes: int = setting(
        integer(4 * MEGABYTE, 2 * MEGABYTE, 1024 * MEGABYTE),
        "The size in bytes at which the engine rotates a container's output on its disk. It keeps "
        "up to twice as much.",
    )
    docker_host: str = setting(
        fields.String(load_default="unix:///var/run/docker.sock", validate=check_docker_host),
        "The address of the Docker Engine. Like DOCKER_TLS_VERIFY, DOCKER_CERT_PATH and "
        "DOCKER_CONFIG (registry credentials), it is read as by the docker CLI.",
        variable="DOCKER_HOST",
    )

    @property
    def all_access_keys(self) -> dict[str, str]:
        """The secrets of all access keys, by key."""
        return parse_access_keys([*self.access_keys, *self.access_keys_file])

    @property
    def wait_threads(self) -> int:
        """How many threads can wait for calls at once."""
        return self.max_waits or max(1, self._other_threads // 2)

    @property
    def follow_threads(self) -> int:
        """How many threads can follow logs at once."""
        return self.max_followers or max(1, self._other_threads // 8)

    @property
    def answer_threads(self) -> int:
        """How many threads can send long answers at once."""
        return self.max_long_answers or max(1, self._other_threads // 6)

    @property
    def _other_threads(self) -> int:
        return self.threads - self.max_pulls - 1

    @property
    def policy(self) -> Policy:
        """What the operator forbids."""
        names = (field.name for field in dataclasses.fields(Policy))
        return Policy(**{name: getattr(self, name) for name in names})
