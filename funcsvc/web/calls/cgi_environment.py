"""The environment that a request gives its function: CGI's meta-variables (RFC 3875, 4.1).

Pure. Header fields only become `HTTP_…`, so that no client can set PATH or LD_PRELOAD.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from funcsvc.model import MAX_ENVIRONMENT_BYTES
from funcsvc.model.errors import EnvironmentTooLarge

_HEADER = re.compile(r"HTTP_[A-Z0-9_]+")
_LEFT_OUT = frozenset(
    {
        "HTTP_PROXY",  # programs mistake it for their own setting (https://httpoxy.org)
        "HTTP_AUTHORIZATION",  # RFC 3875, 4.1.18: credentials are not passed on
        "HTTP_PROXY_AUTHORIZATION",
    }
)


def cgi_environment(
    environ: Mapping[str, Any], payload_bytes: int, call_id: str, func_name: str
) -> list[bytes]:
    """Return the environment of a call as `NAME=value` entries.

    CONTENT_LENGTH is the payload's length, because a chunked request doesn't state it. Raises
    EnvironmentTooLarge.
    """
    variables = dict(_variables(environ))
    if payload_bytes:
        variables["CONTENT_LENGTH"] = str(payload_bytes)
    variables |= {"CALL_ID": call_id, "FUNC_NAME": func_name}
    entries = [_entry(name, value) for name, value in variables.items() if "\0" not in value]
    if sum(len(entry) + 1 for entry in entries) > MAX_ENVIRONMENT_BYTES:
        raise EnvironmentTooLarge(MAX_ENVIRONMENT_BYTES)
    return entries


def _variables(environ: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    yield "REQUEST_METHOD", environ["REQUEST_METHOD"]
    yield "QUERY_STRING", environ.get("QUERY_STRING", "")
    if environ.get("CONTENT_TYPE"):
        yield "CONTENT_TYPE", environ["CONTENT_TYPE"]
    for name, value in environ.items():
        if name.startswith("HTTP_") and name not in _LEFT_OUT and _HEADER.fullmatch(name):
            yield name, value


def _entry(name: str, value: str) -> bytes:
    """Return an entry as the bytes that were sent, which WSGI decodes as Latin-1 (PEP 3333)."""
    return f"{name}={value}".encode("latin-1", "replace")
