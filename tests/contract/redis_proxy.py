"""A TCP proxy to Redis that can break at a chosen moment: when a script is sent."""

from __future__ import annotations

import contextlib
import socket
import threading
from urllib.parse import urlsplit, urlunsplit

from dev.machine.waiting import NEVER_SECONDS, PATIENCE_SECONDS


class RedisProxy:
    """Forwards connections to the Redis at a URL; `url` is the proxy's own.

    `fault` is what happens, once, to the next script that is sent, after `spared` others:
    - "cut after": Redis runs it, and the connection breaks before the answer
    - "cut before": the connection breaks, and Redis never gets it
    - "hush after": Redis runs it, and the answer never arrives
    - "hold": Redis gets it when `release` is set, and the answer never arrives
    `done` is set when Redis has answered a script that was cut, hushed or held.
    """

    def __init__(self, redis_url: str) -> None:
        self.fault = ""
        self.spared = 0
        self.done = threading.Event()
        self.release = threading.Event()
        parts = urlsplit(redis_url)
        self._redis = (parts.hostname, parts.port or 6379)
        self._listener = socket.create_server(("127.0.0.1", 0))
        port = self._listener.getsockname()[1]
        user = f"{parts.netloc.rpartition('@')[0]}@" if "@" in parts.netloc else ""
        self.url = urlunsplit(parts._replace(netloc=f"{user}127.0.0.1:{port}"))
        self._threads = [threading.Thread(target=self._accept)]
        self._sockets: list[socket.socket] = []
        self._threads[0].start()

    def close(self) -> None:
        """Close every connection and wait for the threads."""
        self.release.set()
        for each in (self._listener, *self._sockets):
            _break(each)
        for thread in self._threads:
            thread.join(PATIENCE_SECONDS)

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            redis = socket.create_connection(self._redis, timeout=PATIENCE_SECONDS)
            self._sockets += [client, redis]
            thread = threading.Thread(target=self._serve, args=(client, redis))
            self._threads.append(thread)
            thread.start()

    def _serve(self, client: socket.socket, redis: socket.socket) -> None:
        """Forward one command at a time, and then its answer, as redis-py sends them."""
        with client, redis:
            try:
                while command := _receive_command(client):
                    fault = self._take_fault() if b"\r\nEVAL" in command else ""
                    if fault == "cut before":
                        return
                    if fault == "hold":
                        self.release.wait(NEVER_SECONDS)
                    redis.sendall(command)
                    answer = redis.recv(1 << 20)
                    if fault:
                        self.done.set()
                    if fault == "cut after":
                        return
                    if not fault:
                        client.sendall(answer)
            except OSError:
                return

    def _take_fault(self) -> str:
        if self.spared:
            self.spared -= 1
            return ""
        fault, self.fault = self.fault, ""
        return fault


def _receive_command(client: socket.socket) -> bytes:
    """Return the bytes up to the end of a command. A long command arrives in pieces."""
    command = client.recv(1 << 20)
    while command and not _is_whole(command):
        piece = client.recv(1 << 20)
        if not piece:
            return b""
        command += piece
    return command


def _is_whole(command: bytes) -> bool:
    """Tell whether a command is complete: `*2`, then for each part `$4` and four bytes."""
    head, found, _ = command.partition(b"\r\n")
    at = len(head) + 2
    for _ in range(int(head[1:]) if found else 1):
        end = command.find(b"\r\n", at)
        if end < 0:
            return False
        at = end + 2 + int(command[at + 1 : end]) + 2
    return at <= len(command)


def _break(each: socket.socket) -> None:
    with contextlib.suppress(OSError):
        each.shutdown(socket.SHUT_RDWR)
    each.close()
