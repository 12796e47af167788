"""A request as gunicorn reads it, but for trailers, transfer codings and expectations."""

from __future__ import annotations

from typing import Any

from gunicorn.http.errors import UnsupportedTransferCoding
from gunicorn.http.message import Request as GunicornRequest


class Request(GunicornRequest):
    """gunicorn's request, which ignores trailers, as RFC 9110 lets a recipient do (6.5.1).

    gunicorn refuses the whole body for one that isn't allowed or isn't well formed.
    """

    _expected_100_continue: bool

    def parse_headers(self, data: bytes, from_trailer: bool = False) -> Any:
        """Return the header fields, and no trailers."""
        return [] if from_trailer else super().parse_headers(data)

    def set_body_reader(self) -> None:
        """Refuse other transfer codings than `chunked`: gunicorn accepts some, and decodes none."""
        for name, value in self.headers:
            codings = {coding.strip(" \t").lower() for coding in value.split(",")}
            if name == "TRANSFER-ENCODING" and codings != {"chunked"}:
                raise UnsupportedTransferCoding(value)
        super().set_body_reader()

    def take_expectation(self) -> bool:
        """Tell whether the client waits for a 100, and keep gunicorn from ever sending one."""
        expects, self._expected_100_continue = self._expected_100_continue, False
        return expects
