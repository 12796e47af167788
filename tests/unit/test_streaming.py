"""Answers of unknown length, which take a place once they are long."""

from __future__ import annotations

import socket

import pytest

from funcsvc.model.errors import TooManyWaits
from funcsvc.web.client_socket import ClientSocket
from funcsvc.web.clients import ClientConnection
from funcsvc.web.concurrency import ConcurrencyLimit
from funcsvc.web.streaming import PIECE_BYTES, joined, streamed_in_place


@pytest.mark.parametrize(
    ("pieces", "takes_place"), [(0, False), (PIECE_BYTES - 1, False), (PIECE_BYTES, True)]
)
def test_long_answer_without_a_place_is_refused_after_its_first_piece(pieces, takes_place):
    made = []

    def small_pieces():
        for number in range(pieces):
            made.append(number)
            yield b"x"
        yield from [b"x"] * PIECE_BYTES if takes_place else ()

    places = ConcurrencyLimit("receive long answers", 1)
    ours, theirs = socket.socketpair()
    with ours, theirs, places.take():
        client = ClientConnection({"gunicorn.socket": ClientSocket(ours, places, 1)})
        if takes_place:
            with pytest.raises(TooManyWaits):
                streamed_in_place(joined(small_pieces()), client)
        else:
            assert b"".join(streamed_in_place(joined(small_pieces()), client)) == b"x" * pieces
    assert len(made) == pieces
