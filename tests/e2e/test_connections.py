"""Connections of clients that send what nobody expects, and many of them, to a service without an
engine: what they cost, and what becomes of the others.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from dev import servers
from tests.e2e.raw_http import RawClient

CHUNKED = b"POST /nothing HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
ONE_BYTE_CHUNKS = CHUNKED + b"1\r\nx\r\n" * 250_000 + b"0\r\n\r\n"


@pytest.fixture(scope="module")
def web(module_redis: servers.RedisServer) -> Iterator[servers.Service]:
    with servers.service(
        redis_url=module_redis.url, docker_host="unix:///nonexistent", threads=8
    ) as server:
        yield server


@pytest.fixture
def raw(web: servers.Service) -> Iterator[RawClient]:
    with RawClient(web.port) as client:
        yield client


def cpu_seconds(web: servers.Service) -> float:
    """Return how long the worker process has computed."""
    [pid] = web.worker_pids()
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_body_of_tiny_chunks_is_413_at_once_and_costs_little(web, raw):
    before = cpu_seconds(web)
    with contextlib.suppress(OSError):  # the service doesn't read what it refuses
        raw.send(ONE_BYTE_CHUNKS)
    answer = raw.answer()
    assert answer.status == 413
    assert answer.json["message"].startswith("The request body's chunks are too small")
    assert raw.is_closed()
    assert web.is_healthy()
    assert cpu_seconds(web) - before < 3
