"""The engine's frames, taken apart wherever they are cut."""

from __future__ import annotations

import struct

from hypothesis import given
from hypothesis import strategies as st

from funcsvc.engine.streams import Demultiplexer

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
