"""The Python side of the starter's protocol: making frames, and reading marks in any pieces."""

from __future__ import annotations

import itertools
import re
import time
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dev.servers import ROOT
from funcsvc.engine.containers.protocol import (
    MAX_FRAME_BYTES,
    Ending,
    Mark,
    OutputReader,
    make_frame,
)

NONCE = "0123456789abcdef" * 2
OTHER = "f" * 32
BEGIN = f"{NONCE} B 00000000\n".encode()
STDOUT, STDERR = 1, 2
PLENTY = 1024 * 1024


def mark(kind="X", number=0, nonce=NONCE):
    return f"{nonce} {kind} {number:08d}\n".encode()


def reader_of(stdout=b"", stderr=b"", max_output_bytes=PLENTY, short_bytes=255):
    """Return a reader that was fed each of these streams in one piece."""
    reader = OutputReader(NONCE, max_output_bytes, short_bytes)
    reader.feed(STDOUT, stdout)
    reader.feed(STDERR, stderr)
    return reader


# ---- frames ----

ACCEPTED = {"words": ["w"], "environment": [b"A=1"], "payload": b""}


@pytest.mark.parametrize(
    "changed",
    [
        {"nonce": "0" * 31},
        {"nonce": "0" * 33},
        {"nonce": "g" * 32},
        {"nonce": "0" * 31 + "\n"},
        {"nonce": "\u0660" * 32},
        {"words": []},
        {"words": ["a\0"]},
        {"words": ["\ud800"]},
        {"environment": [b"A=\0"]},
        {"environment": [b"A"]},
        {"environment": [b"=1"]},
        {"environment": [b""]},
        {"payload": bytes(MAX_FRAME_BYTES)},
    ],
)
def test_what_no_frame_can_hold_is_refused(changed):
    with pytest.raises(ValueError, match=r".+"):
        make_frame(**{"nonce": NONCE, **ACCEPTED, **changed}, terminal=False)


def test_longest_frame_is_made_and_no_longer_one():
    empty = make_frame(NONCE, ["w"], [], b"", terminal=False)
    room = MAX_FRAME_BYTES - (len(empty) - 8)
    assert len(make_frame(NONCE, ["w"], [], bytes(room), terminal=False)) == MAX_FRAME_BYTES + 8
    with pytest.raises(ValueError, match="4194304 bytes"):
        make_frame(NONCE, ["w"], [], bytes(room + 1), terminal=False)


def test_frame_is_laid_out_as_it_is_described():
    frame = make_frame(NONCE, ["c\udcff", "ä"], [b"A=\xff"], b"p\0", terminal=True)
    parts = [
        *(b"\0\0\0\1", b"\0\0\0\1", b"\0\0\0\3A=\xff"),
        *(b"\0\0\0\2", b"\0\0\0\2c\xff", b"\0\0\0\2\xc3\xa4", b"\0\0\0\2p\0"),
    ]
    body = NONCE.encode() + b"".join(parts)
    assert frame == b"FSV1" + len(body).to_bytes(4, "big") + body


# ---- the marks ----


def test_nothing_has_happened_before_anything_came():
    reader = reader_of()
    assert [reader.begun, reader.is_garbled, reader.is_too_large] == [False] * 3
    assert reader.ending is None
    assert (reader.stdout, reader.short_stderr) == (b"", b"")


def test_output_is_what_stands_between_the_marks():
    reader = reader_of(BEGIN + b"out\n" + mark("X", 7), b"err\n" + mark("X", 7))
    assert (reader.begun, reader.ending) == (True, Ending(Mark.EXITED, 7))
    assert (reader.stdout, reader.short_stderr) == (b"out\n", b"err\n")


def test_marks_are_those_of_the_starter():
    header = (ROOT / "funcsvc/starter/starter.h").read_text()
    of_starter = re.findall(r"\bMARK_([A-Z_]+) = '(.)'", header)
    assert of_starter == [(one.name, one.value) for one in Mark]


@pytest.mark.parametrize("kind", "XSOPNF")
@pytest.mark.parametrize("number", [0, 137, 99999999])
def test_every_ending_is_read(kind, number):
    ends = mark(kind, number)
    assert reader_of(BEGIN + ends, ends).ending == Ending(Mark(kind), number)


@pytest.mark.parametrize(
    ("stdout", "stderr"),
    [(BEGIN + mark(), b""), (BEGIN, mark()), (BEGIN + mark()[:-1], mark())],
)
def test_call_has_not_ended_before_both_streams_say_so(stdout, stderr):
    assert reader_of(stdout, stderr).ending is None


def test_what_comes_after_the_final_mark_is_dropped():
    reader = reader_of(BEGIN + b"out" + mark() + b"late" + mark("S", 9), b"err" + mark() + b"late")
    reader.feed(STDOUT, b"later")
    reader.feed(STDERR, b"later")
    assert (reader.stdout, reader.short_stderr) == (b"out", b"err")
    assert reader.ending == Ending(Mark.EXITED, 0)


@pytest.mark.parametrize(
    "text",
    [
        mark(nonce=OTHER),
        mark("B"),
        mark("Y"),
        mark("x"),
        mark()[:-1] + b" ",
        mark().replace(b" X ", b"  X "),
        mark().replace(b"00000000", b"0000000x"),
        mark().replace(b"00000000", b"000000000"),
        NONCE.encode(),
        NONCE.encode() * 3,
        mark()[:40] + mark()[:20],
    ],
)
def test_what_only_looks_like_a_mark_is_output(text):
    streams = BEGIN + text + mark("X", 3), text + mark("X", 3)
    for reader in (reader_of(*streams), fed_in_pieces(*streams, 1)):
        assert (reader.stdout, reader.short_stderr) == (text, text)
        assert reader.ending == Ending(Mark.EXITED, 3)


def fed_in_pieces(stdout, stderr, size):
    reader = OutputReader(NONCE, PLENTY)
    for stream, data in ((STDOUT, stdout), (STDERR, stderr)):
        for at in range(0, len(data), size):
            reader.feed(stream, data[at : at + size])
    return reader


def test_streams_may_be_split_anywhere():
    stdout, stderr = BEGIN + b"0123out0" + mark("S", 15), b"err01" + mark("S", 15)
    for first, second in itertools.combinations(range(len(stdout) + 1), 2):
        reader = OutputReader(NONCE, PLENTY)
        reader.feed(STDERR, stderr[: first % len(stderr)])
        for part in (stdout[:first], stdout[first:second], stdout[second:]):
            reader.feed(STDOUT, part)
        reader.feed(STDERR, stderr[first % len(stderr) :])
        assert (reader.begun, reader.ending) == (True, Ending(Mark.KILLED, 15))
        assert (reader.stdout, reader.short_stderr) == (b"0123out0", b"err01")


LIKE_MARKS = st.sampled_from([mark("B"), mark(), mark()[:43], NONCE.encode(), b"0", b"01", b"\n"])
TEXTS = st.lists(st.one_of(st.binary(max_size=50), LIKE_MARKS), max_size=8).map(b"".join)


@given(TEXTS, TEXTS, st.lists(st.integers(1, 60), min_size=1), st.integers(0, 200))
def test_any_streams_in_any_pieces_are_read_as_they_are_at_once(out, err, sizes, limit):
    """Reading in pieces finds what a search through the whole stream finds."""
    stdout, stderr = out + mark("X", 1), err + mark("X", 1)
    reader = OutputReader(NONCE, limit, limit)
    reader.feed(STDOUT, BEGIN)
    for stream, data in ((STDOUT, stdout), (STDERR, stderr)):
        pieces, at = itertools.cycle(sizes), 0
        while at < len(data):
            size = next(pieces)
            reader.feed(stream, data[at : at + size])
            at += size
    out_end, err_end = first_final_mark(stdout), first_final_mark(stderr)
    assert reader.stdout == stdout[:out_end][:limit]
    assert reader.short_stderr == stderr[:err_end][:limit]
    assert reader.is_too_large == (out_end > limit)
    assert reader.ending == Ending(Mark.EXITED, int(stdout[out_end + 35 : out_end + 43]))


def first_final_mark(stream):
    ends = [stream.find(mark("X", number)) for number in (0, 1)]
    return min(end for end in ends if end >= 0)


# ---- beginning ----


def test_begun_as_soon_as_the_first_mark_is_whole():
    reader = reader_of(BEGIN[:-1])
    assert not reader.begun
    reader.feed(STDOUT, BEGIN[-1:])
    assert reader.begun


@pytest.mark.parametrize(
    "stdout",
    [b"x", b" " + BEGIN, mark("B", 1), mark("B", nonce=OTHER), mark(), BEGIN[:-1] + b"x"],
)
def test_output_that_does_not_begin_with_the_first_mark_is_garbled(stdout):
    for reader in (reader_of(stdout), fed_in_pieces(stdout, b"", 1)):
        reader.feed(STDOUT, BEGIN + b"more" + mark())
        reader.feed(STDERR, mark())
        assert (reader.begun, reader.is_garbled) == (False, True)
        assert (reader.stdout, reader.ending) == (b"", Ending(Mark.EXITED, 0))


def test_errors_are_kept_of_a_starter_that_has_begun_nothing():
    reader = reader_of(b"", b"funcsvc-starter: the frame is not whole.\n")
    assert not reader.begun
    assert reader.short_stderr == b"funcsvc-starter: the frame is not whole.\n"


def test_first_mark_on_standard_error_means_nothing():
    assert not reader_of(b"", BEGIN).begun


# ---- bounds ----


@pytest.mark.parametrize("size", [0, 1, 43, 44, 100])
def test_output_of_just_the_limit_is_not_too_large(size):
    reader = reader_of(BEGIN + b"x" * size + mark(), mark(), max_output_bytes=size)
    assert not reader.is_too_large
    assert (reader.stdout, reader.ending) == (b"x" * size, Ending(Mark.EXITED, 0))


@pytest.mark.parametrize("size", [0, 1, 43, 44, 100])
def test_one_byte_more_is_too_large_at_once(size):
    reader = reader_of(BEGIN + b"x" * size, max_output_bytes=size)
    assert not reader.is_too_large
    reader.feed(STDOUT, b"x")
    assert reader.is_too_large
    assert reader.stdout == b"x" * size


def test_what_may_become_a_mark_is_not_too_large_yet():
    reader = reader_of(BEGIN, max_output_bytes=0)
    for byte in mark()[:-1]:
        reader.feed(STDOUT, bytes([byte]))
        assert not reader.is_too_large
    reader.feed(STDOUT, b"x")
    assert reader.is_too_large


def test_it_stays_too_large():
    reader = reader_of(BEGIN + b"xx" + mark(), mark(), max_output_bytes=1)
    assert reader.is_too_large
    assert reader.ending == Ending(Mark.EXITED, 0)


@pytest.mark.parametrize("size", [254, 255, 256])
def test_of_errors_the_beginning_is_kept(size):
    errors = bytes(range(256))[:size]
    assert reader_of(BEGIN, errors + mark()).short_stderr == errors[:255]
    assert reader_of(BEGIN, errors).short_stderr == errors[:255]


@pytest.mark.parametrize(
    ("errors", "line"),
    [
        (b"", b""),
        (b"\n \t\n", b""),
        (b"one", b"one"),
        (b"one\n", b"one"),
        (b"one\ntwo\n", b"two"),
        (b"one\ntwo \n\n \r\n", b"two"),
        (b"one\n  two", b"two"),
        (b"one\r\ntwo\r\n", b"two"),
        (b" 10%\r 20%\rfailed", b"failed"),
        (b"\xff\x00\n", b"\xff\x00"),
        (b"first\n" + b"x" * 255, b"x" * 255),
        (b"first\n" + b"x" * 256 + b"\n", b"x" * 255),
        (b" " * 1000 + b"late\n", b"late"),
        (b"x" * 100_000 + b"\nlast\n" + b"\n" * 100_000, b"last"),
        (b"like a mark: 0123", b"like a mark: 0123"),
        (b"like a mark:\n0123", b"0123"),
    ],
)
def test_of_errors_the_last_line_is_kept_in_any_pieces(errors, line):
    for size in (1, 7, len(errors) or 1):
        for ends in (mark("X", 1), b""):
            if len(errors) < 2000 or size > 1:
                reader = fed_in_pieces(BEGIN, errors + ends, size)
                assert reader.last_error_line == line


@given(st.lists(st.sampled_from([b"a", b"bc", b" ", b"\n", b"\r", b"\n\n", b"0123"]), max_size=30))
def test_last_line_is_that_of_the_whole_stream(pieces):
    reader = OutputReader(NONCE, PLENTY)
    for piece in pieces:
        reader.feed(STDERR, piece)
    lines = [line.strip() for line in b"".join(pieces).splitlines()]
    assert reader.last_error_line == next(filter(None, reversed(lines)), b"")


def test_what_was_printed_before_a_call_was_ended_from_outside_is_kept_whole():
    text = b"a line that ends like a mark begins: 0123"
    reader = reader_of(BEGIN + text, text)
    assert (reader.stdout, reader.short_stderr) == (text, text)


@pytest.mark.parametrize("piece", [b"x" * 4096, NONCE.encode() * 128, mark()[:43] * 90])
def test_memory_is_bounded_and_time_linear_whatever_comes(piece):
    reader = reader_of(BEGIN, max_output_bytes=4096)
    tracemalloc.start()
    start = time.process_time()
    for _ in range(2000):
        reader.feed(STDOUT, piece)
        reader.feed(STDERR, piece)
    seconds = time.process_time() - start
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 10 * len(piece) + 20000
    assert seconds < 5
