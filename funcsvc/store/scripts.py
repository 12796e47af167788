"""The Lua scripts, each preceded by the keys of one prefix and the prelude that all share.

The keys are part of the script's text rather than its arguments, because packing them into every
request took longer than the rest of the request. Redis Cluster, which needs keys as arguments, is
not supported.
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
    """A Lua script, which Redis knows by the SHA-1 of its text."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.sha = redis.Redis().register_script(text).sha

    def run(self, client: redis.Redis, args: Sequence[Argument]) -> Any:
        """Run the script and return its answer. The text is sent only if Redis doesn't know it.

        Uses the connection directly: redis-py's own path to it takes longer than everything else.
        """
        connection: Any = client.connection
        try:
            connection.send_command("EVALSHA", self.sha, 0, *args)
            return connection.read_response()
        except redis.exceptions.NoScriptError:
            return client.eval(self.text, 0, *args)


@lru_cache(maxsize=256)
def get_script(name: str, keys: RedisKeys) -> Script:
    """Return the script `lua/<name>.lua` for the keys with one prefix."""
    names = "".join(f"local {word} = {_quoted(key)}\n" for word, key in keys.for_scripts.items())
    return Script(f"{names}\n{_read('prelude')}\n{_read(name)}")


def _read(name: str) -> str:
    return files(__package__).joinpath("lua", f"{name}.lua").read_text()


def _quoted(text: str) -> str:
    """Return a Lua string literal, in which all but plainly safe characters are escaped."""
    return '"' + "".join(map(_escaped, text)) + '"'


def _escaped(character: str) -> str:
    if _SAFE_IN_LUA.fullmatch(character):
        return character
    return "".join(f"\\{byte:03d}" for byte in character.encode())
