"""The view of logs, which can be followed, over HTTP or over the raw connection."""

from __future__ import annotations

from collections.abc import Iterable
from http import HTTPStatus
from typing import TYPE_CHECKING

from flask import Blueprint, Response, request
from werkzeug.wsgi import ClosingIterator

from funcsvc.config import Settings
from funcsvc.model.errors import TooManyWaits
from funcsvc.schemas import TAIL_PATTERN, load_log_query, matching
from funcsvc.store import Stores
from funcsvc.web.answers import Answer
from funcsvc.web.call_addresses import find_func
from funcsvc.web.clients import ClientConnection
from funcsvc.web.concurrency import ConcurrencyLimit
from funcsvc.web.logs.stream import LogStream
from funcsvc.web.openapi import Errors, answer, flag_query, operation, query
from funcsvc.web.openapi.answers import NO_FUNC, NO_REDIS
from funcsvc.web.openapi.examples import CALL_ID
from funcsvc.web.streaming import streamed, streamed_in_place

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment


def make_blueprint(settings: Settings, stores: Stores) -> Blueprint:
    """Return the blueprint of logs, which needs no access key and has no version prefix."""
    blueprint = Blueprint("logs", __name__)
    limit = ConcurrencyLimit("follow logs", settings.follow_threads, settings.func_share_percent)

    @blueprint.get("/logs/<name>/<uuid>")
    @operation(
        "Read a function's events, or follow them.",
        query=[_CALL_ID, _TAIL, _FOLLOW],
        answers={101: _UPGRADED, 200: _EVENTS},
        errors=NO_FUNC | NO_REDIS | _LIMIT_REACHED,
    )
    def get_logs(name: str, uuid: str) -> Response:
        find_func(stores.funcs, name, uuid)
        query, client = load_log_query(request.args), ClientConnection(request.environ, name)
        place = limit.take(name) if query.follow else None
        pieces = LogStream(stores, name, uuid, query, client, place).lines()
        if place:
            client.hold(place)
        lines = streamed(pieces) if place else streamed_in_place(pieces, client)
        return _upgraded(lines, client) if _wants_upgrade(client) else _answer(lines)

    return blueprint


class UpgradedAnswer(Answer):
    """101 UPGRADED, followed by pieces over the raw connection, as in Docker's API.

    It writes to the connection itself: gunicorn drops `Upgrade: tcp`, and HTTP allows no body
    after a 101.
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
        """Return an iterator that sends everything itself, and yields nothing to the server."""
        return ClosingIterator(self._send(), self.close)

    def _send(self) -> Iterable[bytes]:
        fields = "".join(f"{name}: {value}\r\n" for name, value in self.headers)
        self._client.send(f"HTTP/1.1 {self.status}\r\n{fields}\r\n".encode("latin-1"))
        for piece in self._pieces:
            self._client.send(piece)
        self._client.end_sending()  # otherwise gunicorn would send a head of its own
        yield from ()


def _answer(lines: Iterable[bytes]) -> Response:
    return Answer(lines, mimetype="application/x-ndjson")


def _upgraded(lines: Iterable[bytes], client: ClientConnection) -> Response:
    return UpgradedAnswer(lines, client)


def _wants_upgrade(client: ClientConnection) -> bool:
    """Tell whether a request asks for the raw connection, and can have it."""
    return (
        client.is_raw
        and request.method == "GET"
        and request.environ["SERVER_PROTOCOL"] == "HTTP/1.1"
        and "upgrade" in _words("Connection")
        and "tcp" in _words("Upgrade")
    )


def _words(header: str) -> list[str]:
    return [word.strip().lower() for word in request.headers.get(header, "").split(",")]


_UPGRADED = answer(
    "To `Connection: Upgrade` and `Upgrade: tcp`. The lines follow over the raw connection."
)
_EVENTS = answer(
    "Events, one JSON object per line, oldest first.",
    {
        "application/x-ndjson": {
            "schema": {"type": "string"},
            "example": '{"Time": "2017-03-16T07:05:24.473Z", "Event": "FINISHED", '
            f'"CallId": "{CALL_ID}", "ShortStdout": "HelloWorld\\n"}}\n',
        }
    },
)
_LIMIT_REACHED: Errors = {
    TooManyWaits("follow logs", 3): "The limit on requests that follow logs is reached."
}
_CALL_ID = query("callid", {"type": "string"}, "Only the events of this call, or `all`.")
_TAIL = query("tail", matching(TAIL_PATTERN), "Only the last N of these events, or `all`.")
_FOLLOW = flag_query(
    "follow",
    "Whether to go on with events as they come. With `callid`, only until the call has ended.",
)
