"""A container's output from its beginning, as the engine has kept it."""

from __future__ import annotations

import http.client
import logging
import threading
from contextlib import suppress
from queue import Empty, Full, Queue

import urllib3

from funcsvc.engine.connection import StreamClient
from funcsvc.engine.containers.instance import READ_BYTES, keep_alive
from funcsvc.engine.containers.protocol import OutputReader
from funcsvc.engine.containers.streams import LogMender

MAX_PARTS = 8
"""How many parts of the output are read ahead."""


CLOSE_SECONDS = 5


_log = logging.getLogger(__name__)


class Replay:
    """A container's output from its beginning. It must be closed.

    With `follow` it goes on for as long as the container runs. A thread reads, because a read can't
    be interrupted within one of HTTP's chunks. How long to wait for its parts is up to the caller.
    """

    def __init__(self, client: StreamClient, name: str, *, follow: bool) -> None:
        url = client._url("/containers/{0}/logs", name)
        params = {"stdout": 1, "stderr": 1, "follow": int(follow), "timestamps": 1}
        self._response = client._get(url, params=params, stream=True)
        client._raise_for_status(self._response)
        keep_alive(self._response.raw._fp.fp.raw._sock)
        self._frames = LogMender()
        self._parts: Queue[bytes] = Queue(MAX_PARTS)
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._read_all, daemon=True)
        self._thread.start()

    def read_into(self, reader: OutputReader, seconds: float) -> bool:
        """Read what arrives within `seconds`. Return whether more can follow."""
        try:
            data = self._parts.get(timeout=max(seconds, 0.001))
        except Empty:
            return True
        for stream, content in self._frames.feed(data):
            reader.feed(stream, content)
        return bool(data)

    def close(self) -> None:
        """Stop reading and close the connection."""
        self._closing.set()
        with suppress(OSError, ValueError, RuntimeError):
            self._response.raw.shutdown()
        self._thread.join(CLOSE_SECONDS)
        self._response.close()

    def _read_all(self) -> None:
        """Pass on each part, and an empty one when the output ends or the connection breaks."""
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
