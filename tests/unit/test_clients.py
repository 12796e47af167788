"""The connection below HTTP, over real sockets: whether a client is gone, and what it received."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
import time
from collections.abc import Iterator

import pytest

from dev.machine.waiting import PATIENCE_SECONDS
from funcsvc.model.errors import TooManyWaits
from funcsvc.web.client_socket import ClientSocket
from funcsvc.web.clients import ClientConnection
from funcsvc.web.concurrency import ConcurrencyLimit

RATE = 1_000_000
WINDOW_SECONDS = 0.3


@pytest.fixture(params=[socket.AF_INET, socket.AF_UNIX], ids=["tcp", "unix"])
def family(request) -> int:
    return request.param


@pytest.fixture
def ends(family) -> Iterator[tuple[socket.socket, socket.socket]]:
    """Both ends of a connection over loopback or a unix socket: the server's, and the client's."""
    with socket.socket(family) as listener, socket.socket(family) as peer:
        listener.bind(("127.0.0.1", 0) if family == socket.AF_INET else b"")  # any free address
        listener.listen()
        peer.settimeout(30)
        peer.connect(listener.getsockname())
        ours, _ = listener.accept()
        with ours:
            yield ours, peer


@pytest.fixture
def places() -> ConcurrencyLimit:
    return ConcurrencyLimit("receive long answers", 1)


@pytest.fixture
def ours(ends, places) -> ClientSocket:
    return ClientSocket(ends[0], places, RATE, WINDOW_SECONDS)


@pytest.fixture
def client(ours) -> ClientConnection:
    return ClientConnection({"gunicorn.socket": ours})


def reset(sock: socket.socket) -> None:
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


def end_sending(sock: socket.socket) -> None:
    sock.shutdown(socket.SHUT_WR)


def test_client_that_waits_is_there(client):
    assert not client.is_gone()
    assert not client.has_ended_sending()


def test_client_that_has_sent_its_next_request_is_there(ends, client):
    ends[1].sendall(b"GET / HTTP/1.1\r\n\r\n")
    assert not client.is_gone()


@pytest.mark.parametrize("sent_before", [b"", b"GET / HTTP/1.1\r\n\r\n"])
def test_client_that_half_closes_is_not_gone(ends, client, sent_before):
    ends[1].sendall(sent_before)
    end_sending(ends[1])
    assert client.has_ended_sending()
    assert not client.is_gone()


@pytest.mark.parametrize("sent_before", [b"", b"GET / HTTP/1.1\r\n\r\n"])
def test_client_that_has_closed_is_gone_where_that_can_be_told(ends, client, family, sent_before):
    """With TCP it looks like one that has half-closed, before something is written to it."""
    ends[1].sendall(sent_before)
    ends[1].close()
    assert client.has_ended_sending()
    assert client.is_gone() == (family == socket.AF_UNIX)


@pytest.mark.parametrize("sent_before", [b"", b"GET / HTTP/1.1\r\n\r\n"])
def test_client_that_reset_is_gone(ends, client, sent_before):
    ends[1].sendall(sent_before)
    reset(ends[1])
    assert client.is_gone()


def test_client_that_closed_is_gone_once_something_was_written_to_it(ends, client):
    ends[1].close()
    with contextlib.suppress(BrokenPipeError):
        client.send(b"answer")
    assert client.is_gone()


def test_without_a_socket_a_client_is_there_and_gets_everything():
    client = ClientConnection({})
    client.take_place()
    client.use_place()
    assert (client.is_raw, client.is_gone(), client.has_delivered()) == (False, False, True)
    assert not client.has_ended_sending()


def test_answer_that_is_read_is_delivered(ends, client):
    client.send(b"answer")
    assert ends[1].recv(100) == b"answer"
    assert client.has_delivered()


def test_answer_is_delivered_to_a_client_that_half_closed_before(ends, client):
    end_sending(ends[1])
    client.send(b"answer")
    assert ends[1].recv(100) == b"answer"
    assert client.has_delivered()


def test_answer_is_delivered_to_a_client_that_closes_once_it_has_read_it(ends, client):
    client.send(b"answer")
    assert ends[1].recv(100) == b"answer"
    ends[1].close()
    assert client.has_delivered()


def test_answer_is_not_delivered_to_a_client_that_closes_before_it_has_read_it(ends, client):
    client.send(b"answer")
    ends[1].recv(3)
    ends[1].close()
    assert not client.has_delivered()


def test_answer_is_not_delivered_to_a_client_that_reset(ends, client):
    with contextlib.suppress(OSError):
        client.send(b"answer")
        reset(ends[1])
    assert not client.has_delivered()


def test_answer_is_not_delivered_to_a_client_that_was_gone_before(ends, client, family):
    ends[1].close()
    with pytest.raises(BrokenPipeError) if family == socket.AF_UNIX else contextlib.nullcontext():
        client.send(b"answer")
        assert not client.has_delivered()


def fill(sock: socket.socket) -> int:
    """Write until the buffers between the two ends are full. Return how many bytes that took."""
    count = 0
    with contextlib.suppress(BlockingIOError):
        while True:
            count += sock.send(b"x" * 65536)
    return count


def read_at_a_rate(peer: socket.socket, bytes_per_second: int) -> threading.Thread:
    """Read in the background, until the end, as evenly as this machine allows."""

    def read() -> None:
        start, count = time.monotonic(), 0
        with contextlib.suppress(OSError):
            while piece := peer.recv(65536):
                count += len(piece)
                time.sleep(max(0, start + count / bytes_per_second - time.monotonic()))

    thread = threading.Thread(target=read)
    thread.start()
    return thread


def test_answer_that_nobody_reads_is_given_up(ends, client):
    fill(ends[0])
    start = time.monotonic()
    assert not client.has_delivered()
    assert WINDOW_SECONDS <= time.monotonic() - start < PATIENCE_SECONDS


def test_answer_that_is_read_at_the_least_rate_is_waited_for(ends, client):
    reader = read_at_a_rate(ends[1], 4 * RATE)
    client.send(b"x" * 2 * RATE)
    assert client.has_delivered()
    end_sending(ends[0])
    reader.join()


def test_client_that_reads_steadily_at_the_least_rate_gets_everything(ends, ours):
    reader = read_at_a_rate(ends[1], 3 * RATE)
    for _ in range(8 * RATE // 50_000):
        ours.sendall(b"x" * 50_000)
    assert not ours.was_cut
    end_sending(ends[0])
    reader.join()


def test_client_that_reads_more_slowly_than_the_least_rate_is_cut(ends, ours):
    reader = read_at_a_rate(ends[1], RATE // 8)
    start = time.monotonic()
    with pytest.raises(BrokenPipeError, match="too slowly"):
        ours.sendall(b"x" * 40 * RATE)
    assert time.monotonic() - start < PATIENCE_SECONDS
    assert ours.was_cut
    ends[1].shutdown(socket.SHUT_RD)
    reader.join()


def test_client_that_reads_nothing_more_after_much_is_cut_in_time(ends, ours):
    """What it has read before gives it no more than the window."""
    reader = read_at_a_rate(ends[1], 1000 * RATE)
    ours.sendall(b"x" * 20 * RATE)
    end_sending(ends[1])
    ends[1].settimeout(0)
    reader.join()
    start = time.monotonic()
    with pytest.raises(BrokenPipeError):
        ours.sendall(b"x" * 20 * RATE)
    assert time.monotonic() - start < 15  # what it has read would be worth 20


def test_nobody_waits_for_a_slow_reader_without_a_place(ends, ours, places):
    fill(ends[0])
    with places.take():
        start = time.monotonic()
        with pytest.raises(BrokenPipeError, match="no place"):
            ours.sendall(b"x")
        assert not ours.wait_until_acknowledged()
        assert time.monotonic() - start < WINDOW_SECONDS


def test_place_is_taken_by_the_first_wait_and_given_back_at_the_end(ends, ours, places):
    fill(ends[0])
    with pytest.raises(BrokenPipeError, match="too slowly"):
        ours.sendall(b"x")
    with pytest.raises(TooManyWaits):
        places.take()
    ours.end_request()
    with places.take():
        pass


def test_request_that_has_another_place_needs_none_for_its_answer(ends, ours, client, places):
    fill(ends[0])
    client.use_place()
    with places.take(), pytest.raises(BrokenPipeError, match="too slowly"):
        ours.sendall(b"x")
