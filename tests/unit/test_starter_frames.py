"""The frame: an incomplete or invalid one runs nothing."""

from __future__ import annotations

import struct

import pytest

from funcsvc.engine.containers.protocol import MAX_FRAME_BYTES, make_frame
from tests.unit.starter_process import NONCE, Outcome, Starter, exited


def number(value):
    return struct.pack(">I", value)


def sized(part):
    return number(len(part)) + part


def strings(*parts):
    return number(len(parts)) + b"".join(map(sized, parts))


TOUCH = strings(b"touch", b"begun")
START = NONCE.encode() + number(0)


def frame_of(*parts):
    return b"FSV1" + sized(b"".join(parts))


def refused(sentence):
    return Outcome(None, 125, b"", f"funcsvc-starter: {sentence}.\n".encode())


def outcome_of(data, folder):
    """Return what the starter does with these bytes and the end of input after them."""
    with Starter(cwd=folder) as starter:
        starter.send(data)
        starter.end_input()
        return starter.finish()


def test_whole_frame_runs_its_command(tmp_path):
    frame = frame_of(START, strings(), TOUCH, sized(b""))
    assert outcome_of(frame, tmp_path) == exited(0)
    assert (tmp_path / "begun").exists()


def test_frame_is_what_the_service_makes():
    made = make_frame(NONCE, ["a", "bc"], [b"D=e"], b"f\0", terminal=True)
    body = (NONCE.encode(), number(1), strings(b"D=e"), strings(b"a", b"bc"), sized(b"f\0"))
    assert made == frame_of(*body)


def test_input_that_ends_before_a_frame_is_no_error(tmp_path):
    assert outcome_of(b"", tmp_path) == Outcome(None, 125, b"", b"")


def test_frame_that_is_cut_short_anywhere_runs_nothing(tmp_path):
    frame = make_frame(NONCE, ["touch", "begun"], [b"A=1"], b"payload", terminal=False)
    for length in range(1, len(frame)):
        assert outcome_of(frame[:length], tmp_path) == refused("the frame is not whole"), length
    assert not list(tmp_path.iterdir())


def test_frame_that_comes_byte_by_byte_is_whole_in_the_end():
    with Starter() as starter:
        for byte in make_frame(NONCE, ["cat"], [], b"payload", terminal=False):
            starter.send(bytes([byte]))
        assert starter.finish() == exited(0, b"payload")


def test_nonce_may_have_capital_digits(tmp_path):
    frame = frame_of(b"ABCDEF" + START[6:], strings(), TOUCH, sized(b""))
    assert outcome_of(frame, tmp_path).status == 0


def test_longest_frame_is_taken():
    room = MAX_FRAME_BYTES - len(make_frame(NONCE, ["wc", "-c"], [], b"", terminal=False)) + 8
    with Starter() as starter:
        starter.begin(["wc", "-c"], bytes(room))
        assert starter.finish() == exited(0, f"{room}\n".encode())


SHORT = "the frame is shorter than its parts"
VERSION = "this is not a frame of version 1"
TOO_LONG = "the frame is too long"
DIGITS = "the nonce is not made of hex digits"
FLAGS = "the frame has unknown flags"
NAMELESS = "a variable of the frame has no name"
NUL = "a string of the frame holds a NUL"
REST = TOUCH + sized(b"")
HUGE = number(2**32 - 1)


@pytest.mark.parametrize(
    ("frame", "sentence"),
    [
        (b"FSV2" + bytes(40), VERSION),
        (b"GET / HTTP/1.1\r\n", VERSION),
        (b"FSV1" + number(MAX_FRAME_BYTES + 1), TOO_LONG),
        (b"FSV1" + HUGE, TOO_LONG),
        (frame_of(), SHORT),
        (frame_of(b"0" * 31), SHORT),
        (frame_of(b"g" * 32, number(0), strings(), REST), DIGITS),
        (frame_of(bytes(32), number(0), strings(), REST), DIGITS),
        (frame_of(NONCE.encode()), SHORT),
        (frame_of(NONCE.encode(), number(2), strings(), REST), FLAGS),
        (frame_of(NONCE.encode(), number(2**31), strings(), REST), FLAGS),
        (frame_of(START), SHORT),
        (frame_of(START, strings(b"A"), REST), NAMELESS),
        (frame_of(START, strings(b""), REST), NAMELESS),
        (frame_of(START, strings(b"=1"), REST), NAMELESS),
        (frame_of(START, strings(b"A=\0"), REST), NUL),
        (frame_of(START, HUGE, REST), SHORT),
        (frame_of(START, number(1), HUGE, REST), SHORT),
        (frame_of(START, strings(), strings(), sized(b"")), "the frame has no words"),
        (frame_of(START, strings(), strings(b"touch", b"beg\0un"), sized(b"")), NUL),
        (frame_of(START, strings(), HUGE, sized(b"")), SHORT),
        (frame_of(START, strings(), TOUCH), SHORT),
        (frame_of(START, strings(), TOUCH, number(2), b"1"), SHORT),
        (frame_of(START, strings(), TOUCH, HUGE, b"1"), SHORT),
        (frame_of(START, strings(), REST, b"1"), "the frame is longer than its parts"),
    ],
)
def test_frame_that_is_not_right_runs_nothing(frame, sentence, tmp_path):
    assert outcome_of(frame, tmp_path) == refused(sentence)
    assert not list(tmp_path.iterdir())
