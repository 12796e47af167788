"""The scripts about calls: each behind its keys and the prelude that they share.

The keys stand in the text, and not beside it: every request would carry them, and to pack them took
longer than the rest of it. Redis Cluster, which wants keys beside scripts, is not served.
"""

from __future__ import annotations

import re
from functools import lru_cache

from funcsvc.redis_keys import RedisKeys
from funcsvc.store.redis_client import Script, read_text


@lru_cache(maxsize=256)
def call_script(name: str, keys: RedisKeys) -> Script:
    """Return a script about calls for the keys below one prefix."""
    names = "".join(f"local {word} = {_quoted(key)}\n" for word, key in keys.for_scripts.items())
    return Script(f"{names}\n{read_text('calls_prelude')}\n{read_text(name)}")


def _quoted(text: str) -> str:
    """Return a Lua string: what could end it, or begin an escape, as the numbers of its bytes."""
    safe = re.compile(r"[A-Za-z0-9_:.-]")
    parts = (
        character
        if safe.fullmatch(character)
        else "".join(f"\\{byte:03d}" for byte in character.encode())
        for character in text
    )
    return f'"{"".join(parts)}"'
