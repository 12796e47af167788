"""What stands between: listeners that never answer, and a proxy that a test can hold or break."""

from __future__ import annotations

import contextlib
import select
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from dev.servers.process import LOOPBACK

POLL_SECONDS = 0.05


@contextlib.contextmanager
def silent_listener(place: Path | None = None) -> Iterator[str]:
    """Give the address of a listener that never answers: a port, or with a folder a unix socket."""
    family = socket.AF_UNIX if place else socket.AF_INET
    with socket.socket(family) as listener:
        listener.bind(str(place / "silent") if place else (LOOPBACK, 0))
        listener.listen(1024)  # the kernel accepts
        yield f"{place}/silent" if place else f"{LOOPBACK}:{listener.getsockname()[1]}"


class Proxy:
    """Passes bytes between clients and one port of loopback.

    While `gate` isn't set, connections are accepted and wait. With `breaks_after`, a connection
    over which a client sent these bytes is broken once the server has answered them, and the answer
    is lost; with `is_mute` it isn't broken, and the answer never comes. With `holds`, what a client
    sends with these bytes in it waits for `release`, and `held` counts how often.
    """

    def __init__(self, target_port: int) -> None:
        self.gate = threading.Event()
        self.breaks_after: bytes | None = None
        self.is_mute = False
        self.holds: bytes | None = None
        self.release = threading.Event()
        self.held = 0
        self.accepted = 0
        self._target_port = target_port
        self._is_closing = threading.Event()
        self._threads: list[threading.Thread] = []
        self._listener = socket.create_server((LOOPBACK, 0), backlog=1024)
        self._listener.settimeout(POLL_SECONDS)
        self.port = int(self._listener.getsockname()[1])
        self._run(self._accept)

    def close(self) -> None:
        """Break every connection."""
        self._is_closing.set()
        for thread in self._threads:
            thread.join(10)
            assert not thread.is_alive()
        self._listener.close()

    def _run(self, target: Callable[..., None], *args: Any) -> None:
        thread = threading.Thread(target=target, args=args, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while not self._is_closing.is_set():
            with contextlib.suppress(TimeoutError):
                self._run(self._serve, self._listener.accept()[0])
                self.accepted += 1

    def _serve(self, client: socket.socket) -> None:
        with client, contextlib.suppress(OSError):
            while not self.gate.wait(POLL_SECONDS):
                if self._is_closing.is_set():
                    return
            with socket.create_connection((LOOPBACK, self._target_port), timeout=10) as server:
                self._pass_on(client, server)

    def _pass_on(self, client: socket.socket, server: socket.socket) -> None:
        other = {client: server, server: client}
        while not self._is_closing.is_set():
            for source in select.select(list(other), [], [], POLL_SECONDS)[0]:
                data = source.recv(64 * 1024)
                if not data:
                    return
                if source is client and self.holds and self.holds in data:
                    self._hold()
                other[source].sendall(data)
                if source is client and self.breaks_after and self.breaks_after in data:
                    server.recv(64 * 1024)
                    if self.is_mute:
                        self._is_closing.wait(60)
                    return

    def _hold(self) -> None:
        self.held += 1
        while not self.release.wait(POLL_SECONDS) and not self._is_closing.is_set():
            pass


@contextlib.contextmanager
def proxy(target_port: int, *, is_open: bool = True) -> Iterator[Proxy]:
    """Run a proxy in front of a port of loopback; its gate is open unless `is_open` says no."""
    server = Proxy(target_port)
    if is_open:
        server.gate.set()
    try:
        yield server
    finally:
        server.close()
