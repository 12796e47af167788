"""The connection below HTTP, over real sockets: whether a client is gone, and what it received."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
import time
from collections.abc import Iterator

import pytest

from funcsvc.web import clients
from funcsvc.web.clients import ClientConnection


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, socket.socket]]:
    """Both ends of a loopback connection: the server's, with a timeout, and the client's."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        peer = socket.create_connection(listener.getsockname())
        ours, _ = listener.accept()
    ours.settimeout(30)
    with ours, peer:
        yield ours, peer


@pytest.fixture
def client(ends) -> ClientConnection:
    return ClientConnection({"gunicorn.socket": ends[0]})


def reset(sock: socket.socket) -> None:
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


def test_client_that_waits_is_there(client):
    start = time.monotonic()
    assert not client.is_gone()
    assert time.monotonic() - start < 1


def test_client_that_has_sent_its_next_request_is_there(ends, client):
    ends[1].sendall(b"GET / HTTP/1.1\r\n\r\n")
    assert not client.is_gone()


@pytest.mark.parametrize("sent_before", [b"", b"GET / HTTP/1.1\r\n\r\n"])
@pytest.mark.parametrize("go", [socket.socket.close, reset])
def test_client_that_closed_or_reset_is_gone(ends, client, go, sent_before):
    ends[1].sendall(sent_before)
    go(ends[1])
    assert client.is_gone()


def test_without_a_socket_a_client_is_there_and_gets_everything():
    client = ClientConnection({})
    assert (client.is_raw, client.is_gone(), client.has_delivered()) == (False, False, True)


def test_answer_that_is_read_is_delivered(ends, client):
    ends[0].sendall(b"answer")
    assert ends[1].recv(100) == b"answer"
    assert client.has_delivered()


def test_answer_is_delivered_to_a_client_that_closes_once_it_has_read_it(ends, client):
    ends[0].sendall(b"answer")
    assert ends[1].recv(100) == b"answer"
    ends[1].close()
    assert client.has_delivered()


def test_answer_is_not_delivered_to_a_client_that_reset(ends, client):
    with contextlib.suppress(OSError):
        ends[0].sendall(b"answer")
        reset(ends[1])
    assert not client.has_delivered()


def test_answer_is_not_delivered_to_a_client_that_was_gone_before(ends, client):
    ends[1].close()
    ends[0].sendall(b"answer")
    assert not client.has_delivered()


def filled(sock: socket.socket) -> None:
    """Write until the buffers between the two ends are full."""
    sock.setblocking(False)
    with contextlib.suppress(BlockingIOError):
        while True:
            sock.send(b"x" * 65536)
    sock.settimeout(30)


def test_answer_that_nobody_reads_is_given_up(ends, client, monkeypatch):
    monkeypatch.setattr(clients, "DELIVERY_STANDSTILL_SECONDS", 0.2)
    filled(ends[0])
    start = time.monotonic()
    assert not client.has_delivered()
    assert 0.2 <= time.monotonic() - start < 1


def test_answer_that_is_read_slowly_is_waited_for(ends, client, monkeypatch):
    monkeypatch.setattr(clients, "DELIVERY_STANDSTILL_SECONDS", 0.5)
    filled(ends[0])

    def read_slowly() -> None:
        deadline = time.monotonic() + 1.2
        while ends[1].recv(262144):
            time.sleep(0.05 if time.monotonic() < deadline else 0)

    reader = threading.Thread(target=read_slowly)
    reader.start()
    assert client.has_delivered()
    ends[0].shutdown(socket.SHUT_WR)
    reader.join()


def test_slow_reader_has_a_deadline(ends, client, monkeypatch):
    monkeypatch.setattr(clients, "MAX_DELIVERY_SECONDS", 0)
    monkeypatch.setattr(clients, "DELIVERY_STANDSTILL_SECONDS", 0.2)
    filled(ends[0])
    start = time.monotonic()
    ends[1].recv(262144)
    assert not client.has_delivered()
    assert time.monotonic() - start < 1
