"""The URL of Redis, or of the sentinels that know which server is the master."""

from __future__ import annotations

import os
import re
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import IPv6Address
from pathlib import Path
from urllib.parse import SplitResult, parse_qsl, quote, unquote, urlencode, urlsplit

from marshmallow import ValidationError

from funcsvc.config.kinds import MAX_SOCKET_PATH_BYTES

SENTINEL_PORT = 26379
SENTINEL_FORM = "redis+sentinel://[user:password@]host[:port],host[:port]/service[/number]"

_SENTINEL_URL = re.compile(
    r"(?P<scheme>rediss?)\+sentinel://(?P<login>[^@/?#]*@)?(?P<hosts>[^@/?#]+)"
    r"/(?P<service>[^/?#]+)(?:/(?P<database>[0-9]*))?(?:\?(?P<options>[^#]*))?"
)
_HOST_PORT = re.compile(r"(?:\[(?P<ipv6>[^\[\]]+)\]|(?P<name>[^\[\]:]+))(?::(?P<port>[0-9]{1,5}))?")
_TLS_FILES = ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile")
_TLS_WORDS = {
    "ssl_cert_reqs": ("none", "optional", "required"),
    "ssl_check_hostname": ("true", "false"),
}
_SERVER_OPTIONS = ("db", "password")
_SENTINEL_OPTIONS = ("sentinel_username", "sentinel_password")


@dataclass(frozen=True)
class SentinelUrl:
    """The sentinels of a service.

    How to log in, and the options of TLS, are given as URLs without a host: one for the service's
    servers, with the number of their database, and one for the sentinels.
    """

    hosts: tuple[tuple[str, int], ...]
    service: str
    server_url: str
    sentinel_url: str


def is_sentinel_url(url: str) -> bool:
    """Tell whether a Redis URL names sentinels instead of a Redis server."""
    return url.startswith(("redis+sentinel://", "rediss+sentinel://"))


def parse_sentinel_url(url: str) -> SentinelUrl:
    """Return what the URL of sentinels says. Raises ValueError, without the URL."""
    parts = _SENTINEL_URL.fullmatch(url)
    if not parts:
        raise ValueError(f"Must be {SENTINEL_FORM}.")
    scheme, login = parts["scheme"], parts["login"] or ""
    options = _options(parts["options"] or "")
    own_login = ":".join(quote(options.pop(name, ""), safe="") for name in _SENTINEL_OPTIONS)
    tls = urlencode(options)
    return SentinelUrl(
        hosts=tuple(_host(word) for word in parts["hosts"].split(",")),
        service=unquote(parts["service"]),
        server_url=f"{scheme}://{login}/{parts['database'] or 0}?{tls}",
        sentinel_url=f"{scheme}://{own_login}@?{tls}",
    )


def check_redis_url(value: str) -> None:
    """Raise ValidationError unless the value is the URL of a Redis server or of its sentinels."""
    try:
        if is_sentinel_url(value):
            parse_sentinel_url(value)
            query, known = value.partition("?")[2], _SENTINEL_OPTIONS
        else:
            query, known = _check_server_url(value), _SERVER_OPTIONS
        _check_options(_options(query), known, has_tls=value.startswith("rediss"))
    except ValueError as error:
        raise ValidationError(str(error)) from None


def _split(url: str) -> SplitResult:
    try:
        return urlsplit(url)
    except ValueError:  # whose text can have the password in it
        raise ValueError("Must be a URL.") from None


def _check_server_url(url: str) -> str:
    """Return the query of the URL of one server. Raises ValueError."""
    if not url.startswith(("redis://", "rediss://", "unix://")):  # as redis-py wants it
        raise ValueError(
            "Must start with redis://, rediss://, unix://, redis+sentinel:// or rediss+sentinel://."
        )
    if "#" in url:  # a parser takes it for the end of the host
        raise ValueError("Must have each # in a password written as %23.")
    parts = _split(url)
    host = parts.netloc.rpartition("@")[2]
    if parts.scheme == "unix":
        if host or parts.path in ("", "/"):
            raise ValueError("Must be unix:///path, with an absolute path.")
        if len(os.fsencode(unquote(parts.path))) > MAX_SOCKET_PATH_BYTES:
            raise ValueError(f"Must have a path of at most {MAX_SOCKET_PATH_BYTES} bytes.")
    else:
        _host(host or "localhost")
        if not re.fullmatch(r"(/[0-9]*)?", parts.path):
            raise ValueError("Must have the number of a database as its path.")
    return parts.query


def _host(text: str) -> tuple[str, int]:
    parts = _HOST_PORT.fullmatch(text)
    port = int((parts and parts["port"]) or SENTINEL_PORT)
    if not parts or not 1 <= port <= 65535:
        raise ValueError("Must name hosts as name:port, or as [IPv6 address]:port.")
    name = unquote(parts["ipv6"] or parts["name"])
    try:
        if parts["ipv6"]:
            IPv6Address(name)
        name.encode("idna")  # as the socket module does, which would raise an unexpected error
    except ValueError:
        raise ValueError("Must name hosts by addresses or valid host names.") from None
    return name, port


def _options(query: str) -> dict[str, str]:
    try:
        return dict(parse_qsl(query, strict_parsing=True)) if query else {}
    except ValueError:
        raise ValueError("Must have its options as name=value&name=value.") from None


def _check_options(options: Mapping[str, str], known: tuple[str, ...], *, has_tls: bool) -> None:
    if "\0" in "".join(options.values()):
        raise ValueError("Must have no NUL character in its options.")
    names = (*known, *((*_TLS_FILES, "ssl_ca_path", *_TLS_WORDS) if has_tls else ()))
    for name, value in options.items():
        if name not in names:
            raise ValueError(f"Must have no other options than {', '.join(names)}.")
        if name == "db" and not value.isdecimal():
            raise ValueError("Must have a number as its option db.")
        if name == "ssl_ca_path" and not Path(value).is_dir():
            raise ValueError("Must name a directory as ssl_ca_path.")
        if name in _TLS_WORDS and value not in _TLS_WORDS[name]:
            raise ValueError(f"Must have one of {', '.join(_TLS_WORDS[name])} as {name}.")
    _check_tls_files(*(options.get(name) for name in _TLS_FILES))


def _check_tls_files(authorities: str | None, certificate: str | None, key: str | None) -> None:
    """Load the files of TLS as redis-py will. Raises ValueError."""
    for name, path in zip(_TLS_FILES, (authorities, certificate, key), strict=True):
        if path:
            _check_file(name, path)
    if key and not certificate:
        raise ValueError("Must have the option ssl_certfile if it has ssl_keyfile.")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    with _wanted("Must name certificates in PEM as ssl_ca_certs."):
        if authorities:
            context.load_verify_locations(authorities)
    with _wanted(
        "Must name a certificate and its unencrypted key, in PEM, as ssl_certfile and ssl_keyfile."
    ):
        if certificate:
            context.load_cert_chain(certificate, key, password="")


@contextmanager
def _wanted(rule: str) -> Iterator[None]:
    try:
        yield
    except ssl.SSLError:
        raise ValueError(rule) from None


def _check_file(name: str, path: str) -> None:
    try:
        with Path(path).open("rb"):
            pass
    except OSError as error:
        raise ValueError(
            f"Must name a file that can be read as {name}: {error.strerror}."
        ) from None
