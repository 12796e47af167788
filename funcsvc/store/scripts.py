"""The Lua scripts: each behind the keys of one prefix and the prelude that they share.

The keys stand in the text, and not beside it: every request would carry them, and to pack them took
longer than the rest of it. Redis Cluster, which wants keys beside scripts, is not served.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from importlib.resources import files
from typing import Any

import redis

from funcsvc.store.keys import RedisKeys

Argument = str | int | bytes

_SAFE_IN_LUA = re.compile(r"[A-Za-z0-9_:.-]")


class Script:
    """A Lua script, known to Redis by the SHA-1 of its text."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.sha = redis.Redis().register_script(text).sha

    def run(self, client: redis.Redis, args: Sequence[Argument]) -> Any:
        """Run the script and return its answer, sent whole only where Redis doesn't know it.

        Past the client's own way to its one connection, which takes longer than all the rest.
        """
        connection: Any = client.connection
        try:
            connection.send_command("EVALSHA", self.sha, 0, *args)
            return connection.read_response()
        except redis.exceptions.NoScriptError:
            return client.eval(self.text, 0, *args)


@lru_cache(maxsize=256)
def get_script(name: str, keys: RedisKeys) -> Script:
    """Return the script `lua/<name>.lua` for the keys below one prefix."""
    names = "".join(f"local {word} = {_quoted(key)}\n" for word, key in keys.for_scripts.items())
    return Script(f"{names}\n{_read('prelude')}\n{_read(name)}")


def _read(name: str) -> str:
    return files(__package__).joinpath("lua", f"{name}.lua").read_text()


def _quoted(text: str) -> str:
    """Return a Lua string: what could end it, or begin an escape, as the numbers of its bytes."""
    return '"' + "".join(map(_escaped, text)) + '"'


def _escaped(character: str) -> str:
    if _SAFE_IN_LUA.fullmatch(character):
        return character
    return "".join(f"\\{byte:03d}" for byte in character.encode())
