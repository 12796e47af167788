"""A command line is split into the words that shlex makes of it."""

from __future__ import annotations

import shlex

from hypothesis import given, settings
from hypothesis import strategies as st

from funcsvc.schemas.command_line import split_words

PIECES = st.sampled_from([" ", "\t", "\n", "\r", "\v", "\xa0", "'", '"', "\\", "#", "a", "ä", "$;"])


@settings(max_examples=2000)
@given(st.lists(PIECES, max_size=12).map("".join))
def test_words_are_those_of_shlex(text):
    assert words_or_none(split_words, text) == words_or_none(shlex.split, text)


def words_or_none(split, text: str) -> list[str] | None:
    try:
        return split(text)
    except ValueError:
        return None
