"""The engine's frames, parsed wherever they are cut."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from funcsvc.engine.containers.streams import PIECE_BYTES, Demultiplexer, LogMender

frames = st.lists(st.tuples(st.sampled_from([1, 2]), st.binary(max_size=40)), max_size=8)


@given(frames, st.lists(st.integers(1, 20), max_size=60))
def test_content_is_the_same_wherever_the_bytes_are_cut(sent, sizes) -> None:
    data = b"".join(struct.pack(">BxxxL", stream, len(part)) + part for stream, part in sent)
    demultiplexer, got = Demultiplexer(), {1: b"", 2: b""}
    for size in [*sizes, len(data)]:
        for stream, content in demultiplexer.feed(data[:size]):
            got[stream] += content
        data = data[size:]
    assert got == {
        stream: b"".join(part for which, part in sent if which == stream) for stream in (1, 2)
    }


SIZES = (
    [0],
    [1, 0, 5],
    [PIECE_BYTES - 1],
    [PIECE_BYTES],
    [PIECE_BYTES + 1],
    [3 * PIECE_BYTES, 2, 2 * PIECE_BYTES + 7, 0],
)


def logged(output: bytes, *, keeps_ends: bool) -> bytes:
    """Return an output of lines as the engine's log returns it, in frames."""
    frames = b""
    for line in output.splitlines(keepends=True):
        text, end = line.removesuffix(b"\n"), line[len(line.removesuffix(b"\n")) :]
        while len(text) >= PIECE_BYTES:
            frames += log_frame(text[:PIECE_BYTES])
            text, end = text[PIECE_BYTES:], end if keeps_ends else b""
        frames += log_frame(text + end)
    return frames


def log_frame(line: bytes) -> bytes:
    content = b"2026-11-25T17:30:21.123456789+01:00 " + line
    return struct.pack(">BxxxL", 1, len(content)) + content


@pytest.mark.parametrize("keeps_ends", [True, False])
@pytest.mark.parametrize(
    "sizes",
    [
        [0],
        [1, 0, 5],
        [PIECE_BYTES - 1],
        [PIECE_BYTES],
        [PIECE_BYTES + 1],
        [3 * PIECE_BYTES, 2, 2 * PIECE_BYTES + 7, 0],
    ],
)
@pytest.mark.parametrize("cut", [1000, 1 << 20])
def test_lines_of_a_log_get_their_ends_back(sizes: list[int], keeps_ends: bool, cut: int) -> None:
    output = b"".join(b"x" * size + b"\n" for size in sizes)
    data, mender = logged(output, keeps_ends=keeps_ends), LogMender()
    parts = [data[at : at + cut] for at in range(0, len(data), cut)]
    assert b"".join(content for part in parts for _, content in mender.feed(part)) == output
