"""Instances: containers that are created, attached and started, and then wait for one frame.

An instance runs one call and is removed. Its name is random, and known before the engine is asked
for it, so that what an engine made after its client gave up can be found and removed.
"""

from __future__ import annotations

import http.client
import logging
import re
import select
import socket
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from queue import Empty, Full, Queue
from typing import Any
from uuid import uuid4

import docker
import urllib3

from funcsvc.config import Settings
from funcsvc.engine.connection import Deadline, EngineConnection, StreamClient, translated
from funcsvc.engine.options import STARTER_FOLDER, Wanted, container_options
from funcsvc.engine.protocol import OutputReader
from funcsvc.engine.starter_volume import StarterVolume
from funcsvc.engine.streams import Demultiplexer, LogMender
from funcsvc.errors import EngineUnavailable, NotStarted
from funcsvc.models import Capacity, Func, Image

SERVICE_LABEL = "funcsvc.service"
WORKER_LABEL = "funcsvc.worker"
FUNC_LABEL = "funcsvc.func"

READ_BYTES = 256 * 1024

MAX_PARTS = 8
"""How many reads of a replay wait to be taken."""

CLOSE_SECONDS = 5

_KEEP_ALIVE = (
    (socket.TCP_KEEPIDLE, 20),
    (socket.TCP_KEEPINTVL, 5),
    (socket.TCP_KEEPCNT, 3),
)
"""A host that says nothing for 20 seconds is asked three times, every 5 seconds."""

_MAX_REASON_CHARACTERS = 400

_log = logging.getLogger(__name__)

_ENGINE_TROUBLE = re.compile(
    r"deadline exceeded|context canceled|shutting down|transport is closing|connection refused"
    r"|ttrpc|containerd is not running|connection error|unavailable|client version",
    re.IGNORECASE,
)
"""How the engine words it when the trouble is its own, and not the container's."""


class StreamBroken(Exception):
    """Raised when an instance's stream ends before its call has: look at the container."""


class ImageGoneOnEngine(Exception):
    """Raised when the engine no longer has the image that it was said to have."""


class InstanceVanished(Exception):
    """Raised when somebody removed a container while it was made: another may be tried."""


class StarterGone(Exception):
    """Raised when a container was to begin with a starter that isn't there: install it again."""


@dataclass(frozen=True)
class InstanceState:
    """What the engine says of a container."""

    is_running: bool
    exit_code: int
    out_of_memory: bool


class Instance:
    """One container that waits for its frame, and the connection that it is attached by.

    To be closed; that alone doesn't remove it.
    """

    def __init__(self, name: str, func: Func, image: Image) -> None:
        self.name = name
        self.func = func
        self.image = image
        self.waited = False
        """Whether it was made ahead of its call."""
        self._client: StreamClient | None = None
        self._socket: socket.socket | None = None
        self._response: Any = None
        self._frames = Demultiplexer()

    def attach(self, client: StreamClient) -> None:
        """Attach while the container has nothing to say yet: docker-py loses what comes along."""
        self._client = client
        params = {"stdin": 1, "stdout": 1, "stderr": 1, "stream": 1}
        attached: Any = client.attach_socket(self.name, params)
        self._socket = getattr(attached, "_sock", attached)
        self._response = getattr(attached, "_response", None)
        assert self._socket is not None
        _keep_alive(self._socket)

    def send(self, frame: bytes, deadline: Deadline) -> None:
        """Send the frame whole; raises StreamBroken."""
        assert self._socket is not None
        try:
            self._socket.settimeout(deadline.remaining_seconds())
            self._socket.sendall(frame)
        except (OSError, EngineUnavailable) as error:
            raise StreamBroken("its frame could not be sent whole") from error

    def read_into(self, reader: OutputReader, seconds: float) -> bool:
        """Read what there is within `seconds`; raises StreamBroken at the stream's end."""
        assert self._socket is not None
        try:
            if not _is_readable(self._socket, seconds):
                return True
            data = self._socket.recv(READ_BYTES)
        except OSError as error:
            raise StreamBroken("its connection broke") from error
        if not data:
            raise StreamBroken("its stream ended")
        for stream, content in self._frames.feed(data):
            reader.feed(stream, content)
        return True

    def has_broken(self) -> bool:
        """Tell whether container or connection has ended: a waiting starter says nothing."""
        return self._socket is None or _is_readable(self._socket, 0)

    def close(self) -> None:
        """Detach. Where the container still waits for its frame, it ends."""
        with suppress(OSError):
            if self._socket is not None:
                self._socket.close()
        if self._client is not None:
            if self._response is not None:
                with suppress(OSError):
                    self._response.close()
            self._client.close()
        self._socket = self._client = None


class Instances:
    """The containers of one worker on one engine. Safe to share between threads."""

    def __init__(
        self, connection: EngineConnection, settings: Settings, service: str, worker: str
    ) -> None:
        self._connection = connection
        self._settings = settings
        self._starter = StarterVolume(connection, settings)
        self._labels = {SERVICE_LABEL: service, WORKER_LABEL: worker}

    def install_starter(self) -> None:
        """Bring the starter to the engine; raises EngineUnavailable."""
        self._starter.install()

    @staticmethod
    def new_name() -> str:
        """Return a name for an instance to come."""
        return f"funcsvc-{uuid4().hex}"

    def start(self, name: str, func: Func, image: Image, capacity: Capacity) -> Instance:
        """Create, attach and start a container; it then waits for its frame.

        Raises NotStarted with the engine's own sentence, ImageGoneOnEngine, StarterGone,
        InstanceVanished and EngineUnavailable. What was made by then is to be removed by name.
        """
        instance = Instance(name, func, image)
        wanted = Wanted(
            func=func,
            image=image,
            capacity=capacity,
            settings=self._settings,
            starter_volume=self._starter.name,
            labels={**self._labels, FUNC_LABEL: func.name},
        )
        deadline = Deadline(self._settings.engine_start_seconds)
        try:
            with self._connection.client(deadline) as client, _explained(name):
                client.create_container_from_config(container_options(wanted), name)
                instance.attach(self._connection.stream_client(deadline))
                client.start(name)
        except BaseException:
            instance.close()
            raise
        return instance

    def get_state(self, name: str) -> InstanceState | None:
        """Return what the engine says of a container, or None when there is none of that name."""
        with self._client() as client:
            try:
                state = client.inspect_container(name)["State"]
            except docker.errors.NotFound:
                return None
        return InstanceState(
            is_running=bool(state["Running"]),
            exit_code=int(state["ExitCode"]),
            out_of_memory=bool(state["OOMKilled"]),
        )

    @contextmanager
    def replay(self, name: str) -> Iterator[Replay]:
        """Give a container's output from the beginning, and what is still to come.

        Raises EngineUnavailable, also where there is no such container.
        """
        with translated():
            client = self._connection.stream_client(Deadline(self._settings.engine_timeout_seconds))
            with client, closing(Replay(client, name)) as replay:
                yield replay

    def kill(self, name: str, seconds: float) -> None:
        """Kill what runs in a container; one that isn't there or has ended is no error."""
        with self._connection.client(Deadline(seconds)) as client:
            try:
                client.kill(name, "SIGKILL")
            except docker.errors.APIError as error:
                if error.status_code not in (404, 409):
                    raise

    def wait_until_stopped(self, name: str) -> None:
        """Return when a container has ended; raises EngineUnavailable when it doesn't in time."""
        with self._client() as client:
            client.wait(name)

    def remove(self, name: str) -> None:
        """Remove a container and its volumes; one that isn't there, or just goes, is no error."""
        with self._connection.client(Deadline(self._settings.engine_start_seconds)) as client:
            try:
                client.remove_container(name, v=True, force=True)
            except docker.errors.APIError as error:
                if error.status_code not in (404, 409):
                    raise

    def list_ours(self) -> list[tuple[str, str]]:
        """Return name and worker of every container of this service on the engine."""
        label = f"{SERVICE_LABEL}={self._labels[SERVICE_LABEL]}"
        with self._client() as client:
            found = client.containers(all=True, filters={"label": [label]})
        return [(one["Names"][0].lstrip("/"), one["Labels"][WORKER_LABEL]) for one in found]

    def _client(self) -> Any:
        return self._connection.client(Deadline(self._settings.engine_timeout_seconds))


class Replay:
    """A container's output as the engine has kept it, and follows it. To be closed.

    A thread reads, since a read can't be left half way in HTTP's chunks; how long to wait is up to
    who takes what has come.
    """

    def __init__(self, client: StreamClient, name: str) -> None:
        url = client._url("/containers/{0}/logs", name)
        params = {"stdout": 1, "stderr": 1, "follow": 1, "timestamps": 1}
        self._response = client._get(url, params=params, stream=True)
        client._raise_for_status(self._response)
        _keep_alive(self._response.raw._fp.fp.raw._sock)
        self._frames = LogMender()
        self._parts: Queue[bytes] = Queue(MAX_PARTS)
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._read_all, daemon=True)
        self._thread.start()

    def read_into(self, reader: OutputReader, seconds: float) -> bool:
        """Read what there is within `seconds`; returns whether there may be more."""
        try:
            data = self._parts.get(timeout=max(seconds, 0.001))
        except Empty:
            return True
        for stream, content in self._frames.feed(data):
            reader.feed(stream, content)
        return bool(data)

    def close(self) -> None:
        """End the reading, wherever it is."""
        self._closing.set()
        with suppress(OSError, ValueError, RuntimeError):
            self._response.raw.shutdown()
        self._thread.join(CLOSE_SECONDS)
        self._response.close()

    def _read_all(self) -> None:
        """Give on what comes, and an empty part at its end, or where the connection breaks."""
        try:
            while data := self._response.raw.read1(READ_BYTES):
                self._give_on(data)
        except (OSError, urllib3.exceptions.HTTPError, http.client.HTTPException, ValueError):
            _log.debug("the replay of a container broke off")
        self._give_on(b"")

    def _give_on(self, part: bytes) -> None:
        while not self._closing.is_set():
            with suppress(Full):
                self._parts.put(part, timeout=1)
                return


def _keep_alive(sock: socket.socket) -> None:
    """Let silence last as long as it may, but notice when the engine's host is gone."""
    sock.settimeout(None)
    if sock.family != socket.AF_UNIX:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for option, seconds in _KEEP_ALIVE:
            sock.setsockopt(socket.IPPROTO_TCP, option, seconds)


def _is_readable(sock: socket.socket, seconds: float) -> bool:
    pending = getattr(sock, "pending", None)  # bytes that TLS has decrypted already
    if pending is not None and pending():
        return True
    poller = select.poll()  # select has a bound on the numbers of descriptors
    poller.register(sock, select.POLLIN)
    return bool(poller.poll(max(0, seconds) * 1000))


@contextmanager
def _explained(name: str) -> Iterator[None]:
    """Turn what the engine says of a container that it won't make or start into errors of ours."""
    try:
        yield
    except docker.errors.APIError as error:
        text = str(error.explanation or error)
        if "No such image" in text:
            raise ImageGoneOnEngine from error
        if "marked for removal" in text or f"No such container: {name}" in text:
            raise InstanceVanished from error
        if f"{STARTER_FOLDER}/" in text:
            raise StarterGone from error
        if error.status_code == 503 or _ENGINE_TROUBLE.search(text):
            raise
        if "no space left" in text:
            raise NotStarted("the engine's disk is full.") from error
        raise NotStarted(_sentence(text)) from error


def _sentence(text: str) -> str:
    """Return the engine's own words, on one line and of bounded length."""
    line = " ".join(text.split())
    if len(line) > _MAX_REASON_CHARACTERS:
        line = f"{line[:_MAX_REASON_CHARACTERS]}…"
    return line if line.endswith((".", "…")) else f"{line}."
