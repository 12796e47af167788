"""A request as gunicorn reads it, without the trailers of a chunked body."""

from __future__ import annotations

from typing import Any

from gunicorn.http.message import Request as GunicornRequest


class Request(GunicornRequest):
    """gunicorn's request, which ignores trailers, as RFC 9110 lets a recipient do (6.5.1).

    gunicorn refuses the whole body for one that isn't allowed or isn't well formed.
    """

    def parse_headers(self, data: bytes, from_trailer: bool = False) -> Any:
        """Return the header fields, and no trailers."""
        return [] if from_trailer else super().parse_headers(data)
