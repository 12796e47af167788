"""The logs of funcs, which may be followed, over HTTP or over the bare connection."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import ExitStack
from http import HTTPStatus
from typing import TYPE_CHECKING

from flask import Blueprint, Response, request
from werkzeug.wsgi import ClosingIterator

from funcsvc.config import Settings
from funcsvc.schemas import load_log_query
from funcsvc.store import Stores
from funcsvc.web.answers import Answer
from funcsvc.web.call_addresses import find_func
from funcsvc.web.clients import ClientConnection
from funcsvc.web.concurrency import Places
from funcsvc.web.logs.stream import LogStream
from funcsvc.web.streaming import streamed

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment


def make_blueprint(settings: Settings, stores: Stores) -> Blueprint:
    """Return the blueprint of logs over its parts; it needs no access key and has no version."""
    blueprint = Blueprint("logs", __name__)
    places = Places("follow logs", settings.follow_threads)

    @blueprint.get("/logs/<name>/<uuid>")
    def get_logs(name: str, uuid: str) -> Response:
        find_func(stores.funcs, name, uuid)
        query, client = load_log_query(request.args), ClientConnection(request.environ)
        stream = LogStream(stores, name, uuid, query, client)
        with ExitStack() as held:
            if query.follow:
                held.enter_context(places.taken())
            lines = streamed(stream.lines())
            answer = _upgraded(lines, client) if _wants_upgrade(client) else _answer(lines)
            answer.call_on_close(held.pop_all().close)
        return answer

    return blueprint


class UpgradedAnswer(Answer):
    """101 UPGRADED, and then whatever is to be sent over the bare connection, as docker does.

    It writes itself: gunicorn leaves `Upgrade: tcp` out, and HTTP allows no body behind a 101.
    """

    def __init__(self, pieces: Iterable[bytes], client: ClientConnection) -> None:
        super().__init__(
            status=f"{HTTPStatus.SWITCHING_PROTOCOLS.value} UPGRADED",
            headers={
                "Content-Type": "application/vnd.docker.raw-stream",
                "Connection": "Upgrade",
                "Upgrade": "tcp",
            },
        )
        self._pieces = pieces
        self._client = client

    def get_app_iter(self, environ: WSGIEnvironment) -> Iterable[bytes]:
        """Return nothing for the server to send; on the way there, everything is sent."""
        return ClosingIterator(self._send(), self.close)

    def _send(self) -> Iterable[bytes]:
        fields = "".join(f"{name}: {value}\r\n" for name, value in self.headers)
        self._client.send(f"HTTP/1.1 {self.status}\r\n{fields}\r\n".encode("latin-1"))
        for piece in self._pieces:
            self._client.send(piece)
        self._client.end_sending()  # or gunicorn would send the head of an answer of its own
        yield from ()


def _answer(lines: Iterable[bytes]) -> Response:
    return Answer(lines, mimetype="application/x-ndjson")


def _upgraded(lines: Iterable[bytes], client: ClientConnection) -> Response:
    return UpgradedAnswer(lines, client)


def _wants_upgrade(client: ClientConnection) -> bool:
    """Tell whether a request asks for the bare connection, and it can be had."""
    return (
        client.is_raw
        and request.method == "GET"
        and request.environ["SERVER_PROTOCOL"] == "HTTP/1.1"
        and "upgrade" in _words("Connection")
        and "tcp" in _words("Upgrade")
    )


def _words(header: str) -> list[str]:
    return [word.strip().lower() for word in request.headers.get(header, "").split(",")]
