"""The events of funcs, one stream per func, read in pages so that memory use stays flat."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from funcsvc.model import Event
from funcsvc.store.client import RedisClient
from funcsvc.store.keys import RedisKeys

PAGE_EVENTS = 200


class RedisEventLog:
    """An EventLog over Redis Streams."""

    def __init__(self, client: RedisClient, keys: RedisKeys) -> None:
        self._client = client
        self._keys = keys

    def get_last_position(self, func_name: str) -> str:
        newest = self._page_back(func_name, "+", 1)
        return newest[0].position if newest else "0-0"

    def list_events(
        self, func_name: str, call_id: str = "", tail: int | None = None, until: str = "+"
    ) -> Iterator[Event]:
        if tail is None:
            position = "-"
        elif found := self._position_of_tail(func_name, call_id, tail, until):
            position = found
        else:
            return
        while page := self._page(func_name, position, until):
            yield from (event for event in page if call_id in ("", event.call_id))
            position = f"({page[-1].position}"

    def wait_for_events(self, func_name: str, after: str, seconds: float) -> list[Event]:
        key = self._keys.logs(func_name)
        found = self._client.wait(
            lambda client, block: client.xread({key: after}, PAGE_EVENTS, int(block * 1000)),
            seconds,
        )
        return [_event(*entry) for _, entries in found or () for entry in entries]

    def _position_of_tail(self, func_name: str, call_id: str, tail: int, until: str) -> str | None:
        """Return the position of the first of the last `tail` events, or None if there are none."""
        start, left = None, tail
        while left and (page := self._page_back(func_name, until, PAGE_EVENTS)):
            for event in page:
                if left and call_id in ("", event.call_id):
                    start, left = event.position, left - 1
            until = f"({page[-1].position}"
        return start

    def _page(self, func_name: str, start: str, until: str) -> list[Event]:
        key = self._keys.logs(func_name)
        found = self._client.read(lambda client: client.xrange(key, start, until, PAGE_EVENTS))
        return [_event(*entry) for entry in found]

    def _page_back(self, func_name: str, until: str, count: int) -> list[Event]:
        key = self._keys.logs(func_name)
        found = self._client.read(lambda client: client.xrevrange(key, until, "-", count))
        return [_event(*entry) for entry in found]


def _event(position: bytes, fields: dict[bytes, Any]) -> Event:
    text = str(position, "utf-8")
    return Event(
        position=text,
        time_ms=int(text.partition("-")[0]),
        name=str(fields[b"event"], "utf-8"),
        call_id=str(fields[b"call"], "utf-8"),
        short_stdin=fields.get(b"stdin", b""),
        short_stdout=fields.get(b"stdout", b""),
        short_stderr=fields.get(b"stderr", b""),
        message=str(fields.get(b"message", b""), "utf-8"),
    )
