"""A certificate authority of a test, and a server's certificate of it, made by openssl."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")


@dataclass(frozen=True)
class Certificates:
    """The files: the authority's certificate, and the server's certificate and key."""

    authority: Path
    certificate: Path
    key: Path


def make_certificates(
    place: Path, names: str = "IP:127.0.0.1,IP:::1,DNS:localhost"
) -> Certificates:
    """Make an authority in a folder, and a certificate of it for these names."""
    files = Certificates(place / "ca.crt", place / "server.crt", place / "server.key")
    own = ("-x509", "-days", "2", "-subj", "/CN=authority", "-keyout", str(place / "ca.key"))
    _openssl("req", *_KEY, *own, "-out", str(files.authority))
    own = ("-x509", "-days", "2", "-subj", "/CN=server", "-keyout", str(files.key))
    by = ("-CA", str(files.authority), "-CAkey", str(place / "ca.key"))
    more = ("-addext", f"subjectAltName={names}", "-addext", "basicConstraints=critical,CA:FALSE")
    _openssl("req", *_KEY, *own, *by, *more, "-out", str(files.certificate))
    return files


def _openssl(*words: str) -> None:
    subprocess.run(["openssl", *words], check=True, capture_output=True, timeout=30)
