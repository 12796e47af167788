"""Requests as their bytes arrive: when one can be served, and what a thread then reads of it."""

from __future__ import annotations

import pytest
from gunicorn.config import Config
from gunicorn.http.errors import LimitRequestHeaders, LimitRequestLine, ParseException

from funcsvc.model import MAX_PAYLOAD_BYTES
from funcsvc.web.gunicorn.arrival import (
    MAX_DISCARDED_BYTES,
    MAX_HEAD_BYTES,
    PIECE_BYTES,
    SPARE_BYTES,
    ArrivingRequests,
    TooMuchFraming,
)
from funcsvc.web.gunicorn.chunks import SPARE_FRAMING_BYTES, ChunkScan

PEER = ("127.0.0.1", 1)
CHUNKED = b"Transfer-Encoding: chunked\r\n"


def request(*, head: bytes = b"", body: bytes = b"") -> bytes:
    return b"POST /call HTTP/1.1\r\nHost: a\r\n" + head + b"\r\n" + body


def arriving(data: bytes = b"", **settings: str) -> ArrivingRequests:
    config = Config()
    for name, value in settings.items():
        config.set(name, value)
    requests = ArrivingRequests(config, PEER)
    if data:
        requests.feed(data)
    return requests


def length(count: int) -> bytes:
    return b"Content-Length: %d\r\n" % count


WHOLE = {
    "no body": (request(), b""),
    "length": (request(head=length(3), body=b"abc"), b"abc"),
    "length of none": (request(head=length(0)), b""),
    "chunks": (request(head=CHUNKED, body=b"1\r\na\r\n2;x=y\r\nbc\r\n0\r\n\r\n"), b"abc"),
    "chunks and a trailer": (request(head=CHUNKED, body=b"3\r\nabc\r\n0\r\nX: y\r\n\r\n"), b"abc"),
    "an empty line before": (b"\r\n" + request(head=length(1), body=b"a"), b"a"),
}


@pytest.mark.parametrize(("data", "body"), WHOLE.values(), ids=WHOLE)
@pytest.mark.parametrize("step", [1, 2, 7, 10_000])
def test_request_is_ready_with_its_last_byte_and_not_before(data, body, step):
    requests = arriving()
    for at in range(0, len(data), step):
        assert not requests.is_ready
        requests.feed(data[at : at + step])
    assert (requests.is_ready, requests.is_whole, requests.count) == (True, True, len(data))
    assert next(requests).body.read() == body


@pytest.mark.parametrize("step", [1, 5, 10_000])
def test_requests_in_a_row_are_told_apart(step):
    data = b"".join(data for data, _ in WHOLE.values())
    requests, bodies = arriving(), []
    for at in range(0, len(data), step):
        requests.feed(data[at : at + step])
        while requests.is_ready:
            bodies.append(next(requests).body.read())
            assert requests.finish_body()
            requests.begin_next()
    assert bodies == [body for _, body in WHOLE.values()]
    assert requests.count == 0


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (b"GARBAGE\r\n\r\n", ParseException),
        (b"GET / HTTP/1.1\n\n", ParseException),
        (b"GET /" + b"a" * 20_000, LimitRequestLine),
        (request(head=b"Content-Length: x\r\n"), ParseException),
        (request(head=b"X: " + b"a" * 9000 + b"\r\n"), LimitRequestHeaders),
        (b"GET / HTTP/1.1\r\n" + b"X: aaaa\r\n" * 20_000, LimitRequestHeaders),
    ],
)
def test_request_that_is_wrong_is_ready_at_once_and_its_thread_gets_the_error(data, error):
    requests = arriving()
    for at in range(0, len(data), 8192):
        if not requests.is_ready:
            requests.feed(data[at : at + 8192])
    assert (requests.is_ready, requests.is_whole) == (True, False)
    assert requests.count <= MAX_HEAD_BYTES + 8192
    with pytest.raises(error):
        next(requests)


@pytest.mark.parametrize("head", [length(MAX_PAYLOAD_BYTES + 1), CHUNKED])
def test_body_that_is_too_large_is_not_waited_for(head):
    requests = arriving(request(head=head))
    if head is CHUNKED:
        assert not requests.is_ready
        requests.feed(b"%x\r\n" % (2 * MAX_PAYLOAD_BYTES))
        requests.feed(b"x" * (MAX_PAYLOAD_BYTES + SPARE_BYTES + 3))
        assert len(next(requests).body.read(MAX_PAYLOAD_BYTES + 1)) == MAX_PAYLOAD_BYTES + 1
    assert (requests.is_ready, requests.is_whole) == (True, False)


def test_only_a_body_that_is_waited_for_is_read_at_once():
    requests = arriving(request(head=length(MAX_PAYLOAD_BYTES)))
    assert requests.missing() == MAX_PAYLOAD_BYTES
    requests.feed(b"abc")
    assert requests.missing() == MAX_PAYLOAD_BYTES - 3
    assert arriving(request(head=length(10**15))).missing() == 0
    assert arriving(request(head=CHUNKED)).missing() == arriving(b"POST").missing() == 0


@pytest.mark.parametrize("chunk", [b"1\r\na\r\n", b"1;%s\r\na\r\n" % (b"x" * 4000)])
def test_body_with_too_much_framing_is_refused_without_being_decoded(chunk):
    requests = arriving(request(head=CHUNKED))
    while not requests.is_ready:
        requests.feed(chunk)
    assert requests.count < SPARE_FRAMING_BYTES * 1.5
    with pytest.raises(TooMuchFraming):
        next(requests)


def test_reader_of_chunks_gets_little_at_once_since_it_copies_that_for_each_chunk():
    requests = arriving(request(head=CHUNKED, body=b"1000\r\n%s\r\n" % (b"a" * 4096) * 10))
    assert len(requests.unreader.read()) == PIECE_BYTES
    assert len(requests.unreader.read(None, read_ahead=2 * PIECE_BYTES)) == 2 * PIECE_BYTES


@pytest.mark.parametrize("chunk", [50, 1000])
def test_payload_of_the_limit_can_have_chunks_of_50_bytes(chunk):
    count = MAX_PAYLOAD_BYTES // chunk
    body = b"%x\r\n%s\r\n" % (chunk, b"x" * chunk) * count + b"0\r\n\r\n"
    requests = arriving(request(head=CHUNKED, body=body))
    assert (requests.is_ready, requests.is_whole) == (True, True)
    assert len(next(requests).body.read()) == count * chunk


A = b"a" * 1000
UNREAD = {
    "short": (request(head=length(10), body=b"a" * 10), True),
    "short chunks": (request(head=CHUNKED, body=b"3\r\nabc\r\n" * 1000 + b"0\r\n\r\n"), True),
    "long": (request(head=length(100_000), body=b"a" * 100_000), False),
    "long chunks": (
        request(head=CHUNKED, body=b"32\r\n%s\r\n" % (b"a" * 50) * 2000 + b"0\r\n\r\n"),
        False,
    ),
    "too long": (request(head=length(10**9)), False),
    "malformed": (request(head=CHUNKED, body=b"0x5\r\nabcde\r\n0\r\n\r\n"), False),
}


@pytest.mark.parametrize(("data", "follows"), UNREAD.values(), ids=UNREAD)
def test_next_request_follows_an_unread_body_only_if_it_is_short_and_well_formed(data, follows):
    requests = arriving(data)
    next(requests)
    left = requests.unreader.count()
    assert requests.finish_body(deadline=0) is follows
    if left > MAX_DISCARDED_BYTES:
        assert requests.unreader.count() == left, "nothing was decoded"


def test_requests_sent_ahead_are_no_part_of_a_body_that_was_read():
    data = request(head=CHUNKED, body=b"3\r\nabc\r\n0\r\n\r\n")
    requests = arriving(data + request() * 3000)
    assert next(requests).body.read() == b"abc"
    assert requests.finish_body(deadline=0)


def test_answer_to_a_request_that_is_not_whole_says_that_the_connection_ends():
    assert next(arriving(request(head=length(10**9)))).should_close()
    assert not next(arriving(request(head=length(1), body=b"a"))).should_close()


@pytest.mark.parametrize("head", [length(10), CHUNKED])
def test_body_that_does_not_come_makes_no_thread_wait(head):
    requests = arriving(request(head=head, body=b"5\r\nab"))
    assert not requests.is_ready
    requests.give_up()
    body = next(requests).body
    with pytest.raises(TimeoutError):
        body.read()
    assert not requests.finish_body()


def test_client_that_ends_in_the_middle_of_a_body_leaves_it_short():
    requests = arriving(request(head=length(10), body=b"abc"))
    requests.end()
    assert next(requests).body.read() == b"abc"


@pytest.mark.parametrize("data", [b"", b"P", request()[:-2]])
def test_client_that_ends_before_there_is_a_request_wants_nothing(data):
    with pytest.raises(EOFError):
        arriving(data).end()


def test_continue_is_asked_for_once_and_only_if_the_body_is_still_to_come():
    expects = b"Expect: 100-continue\r\n"
    requests = arriving(request(head=expects + length(3)))
    assert requests.take_continue()
    assert not requests.take_continue()
    requests.feed(b"abc")
    assert not next(requests)._expected_100_continue
    assert not arriving(request(head=expects + length(1), body=b"a")).take_continue()
    assert not arriving(request(head=expects + length(MAX_PAYLOAD_BYTES + 1))).take_continue()
    assert not arriving(b"POST /").take_continue()


def test_continue_is_asked_for_also_by_a_request_that_was_sent_ahead():
    requests = arriving(request() + request(head=b"Expect: 100-continue\r\n" + length(3)))
    assert next(requests).body.read() == b""
    requests.begin_next()
    assert requests.take_continue()


def test_client_whose_body_does_not_come_is_not_told_to_go_on():
    requests = arriving(request(head=b"Expect: 100-continue\r\n" + length(3)))
    requests.give_up()
    assert not requests.take_continue()
    assert not next(requests)._expected_100_continue


def test_proxy_protocol_before_a_request_is_read():
    """Its second version begins with what looks like the end of a head."""
    addresses = b"\x7f\0\0\1\x7f\0\0\1\0\1\0\2"
    head = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c" + addresses
    for step in (1, 5, 10_000):
        requests = arriving(proxy_protocol="v2")
        data = head + request(head=length(1), body=b"a")
        for at in range(0, len(data), step):
            assert not requests.is_ready
            requests.feed(data[at : at + step])
        assert next(requests).proxy_protocol_info["client_port"] == 1


@pytest.mark.parametrize("data", [b"zz\r\n", b"\r\n", b"-1\r\n", b"1\r\nabc\r\n"])
def test_malformed_chunks_are_not_waited_for(data):
    scan = ChunkScan(100)
    scan.feed(data)
    assert (scan.is_hopeless, scan.is_over) == (True, False)


@pytest.mark.parametrize("framing", [b"1;" + b"x" * 20_000, b"0\r\n" + b"A: b\r\n" * 3000])
def test_what_is_between_chunks_is_bounded(framing):
    scan = ChunkScan(100)
    scan.feed(framing)
    assert scan.is_hopeless
    assert scan.has_too_much_framing


@pytest.mark.parametrize(("count", "hopeless"), [(100, False), (101, True)])
def test_chunks_are_bounded_together(count, hopeless):
    scan = ChunkScan(100)
    scan.feed(b"32\r\n%s\r\n" % (b"x" * 50))
    scan.feed(b"%x\r\n%s\r\n0\r\n\r\n" % (count - 50, b"x" * (count - 50)))
    assert (scan.is_hopeless, scan.is_over) == (hopeless, not hopeless)
