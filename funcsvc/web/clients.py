"""A request's connection, below HTTP: whether the client is there, and what it has received.

The server passes the socket as `gunicorn.socket`. Without one, as with Flask's test client, the
client counts as connected, and as having received everything.
"""

from __future__ import annotations

import select
import socket
from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Any

from flask import Response, after_this_request, request

from funcsvc.web.client_socket import ClientSocket
from funcsvc.web.concurrency import MANAGEMENT


class ClientConnection:
    """The connection of one request. The request counts for an `owner`, once one is given."""

    def __init__(self, environ: Mapping[str, Any], owner: str = "") -> None:
        self._socket: ClientSocket | None = environ.get("gunicorn.socket")
        if self._socket is not None and owner:
            self._socket.owner = owner

    @property
    def is_raw(self) -> bool:
        """Whether bytes can be sent directly, bypassing HTTP."""
        return self._socket is not None

    def is_gone(self) -> bool:
        """Tell whether the connection is broken: reset, or no longer acknowledged.

        A client that has only ended its sending side (see `has_ended_sending`) still reads.
        """
        return self._socket is not None and self._socket.is_broken()

    def has_ended_sending(self) -> bool:
        """Tell whether the client will send no more. It may still read, or have closed: TCP tells
        no difference before something is written, or the client's machine resets.
        """
        return self._socket is not None and self._socket.events(select.POLLRDHUP, 0) != 0

    def has_delivered(self) -> bool:
        """Wait for the client's machine to acknowledge every byte; tell whether it has."""
        return self._socket is None or self._socket.wait_until_acknowledged()

    def send(self, data: bytes) -> None:
        """Send bytes directly, bypassing HTTP. Raises OSError."""
        assert self._socket is not None
        self._socket.sendall(data)

    def end_sending(self) -> None:
        """Shut down the sending side, so that the server can't send anything afterwards either."""
        assert self._socket is not None
        self._socket.shutdown(socket.SHUT_WR)

    def take_place(self) -> None:
        """Take a place for a long answer until the request has ended. Raises TooManyWaits."""
        if self._socket is not None:
            self._socket.take_place()

    def use_place(self) -> None:
        """Say that this request has another place, so that it needs none for a long answer."""
        if self._socket is not None:
            self._socket.has_place = True

    def hold(self, place: AbstractContextManager[Any]) -> None:
        """Hold another place until the answer has been sent, or has failed to be."""

        @after_this_request
        def hold_until_sent(response: Response) -> Response:
            response.call_on_close(lambda: place.__exit__(None, None, None))
            return response

        self.use_place()


def count_for_management() -> None:
    """Let this request have a place that is kept for management. For use before each request."""
    ClientConnection(request.environ, MANAGEMENT)
