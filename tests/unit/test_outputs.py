"""How an output is recognised as text."""

from __future__ import annotations

import pytest

from funcsvc.web.calls.outputs import output_type

TEXT, BYTES = "text/plain; charset=utf-8", "application/octet-stream"


@pytest.mark.parametrize(
    ("output", "kind"),
    [
        (b"", TEXT),
        (b"HelloWorld\n", TEXT),
        (b"\a\b\t\n\v\f\r", TEXT),
        (b"\x1b[31mred\x1b[0m", TEXT),
        ("ä€😀".encode(), TEXT),
        ("\u2028\ufeff".encode(), TEXT),
        (b"\x00", BYTES),
        (b"text\x00", BYTES),
        (b"\x01", BYTES),
        (b"\x7f", BYTES),
        (b"\xff\xfe", BYTES),
        ("ä".encode()[:1], BYTES),
        (b"\xed\xa0\x80", BYTES),
        (b"\xc0\x80", BYTES),
        (b"\x89PNG\r\n\x1a\n", BYTES),
        (b"\x7fELF", BYTES),
    ],
)
def test_output_is_text_where_every_byte_is(output, kind):
    assert output_type(output) == kind
