"""Splits a command line into words as shlex, and so docker-py, does: POSIX rules, no comments.

shlex takes quadratic time for a long word, more than half a second for a definition that is one.
"""

from __future__ import annotations

import re

_PIECE = r"""[^ \t\r\n'"\\]++|\\.|'[^']*+'|"(?:[^"\\]|\\.)*+\""""
_WORD = re.compile(rf"[ \t\r\n]*+((?:{_PIECE})++)", re.DOTALL)
_QUOTED = re.compile(r"""\\(.)|'([^']*+)'|"((?:[^"\\]|\\.)*+)\"""", re.DOTALL)
_ESCAPED = re.compile(r'\\(["\\])')


def split_words(text: str) -> list[str]:
    """Return the words of a command line. Raises ValueError if a quotation doesn't end."""
    words, position = [], 0
    while found := _WORD.match(text, position):
        words.append(_QUOTED.sub(_unquoted, found[1]))
        position = found.end()
    if text[position:].strip(" \t\r\n"):
        raise ValueError("its quotes must be closed, and a backslash can't be its last character")
    return words


def _unquoted(piece: re.Match[str]) -> str:
    escaped, single, double = piece.groups()
    if double is not None:
        return _ESCAPED.sub(r"\1", double)
    return escaped or single or ""
