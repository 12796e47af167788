"""The keys in Redis: all below the prefix, and no key with two meanings."""

from __future__ import annotations

import pytest

from funcsvc.store import keys as redis_keys
from funcsvc.store.keys import RedisKeys


def every_key(keys: RedisKeys) -> list[str]:
    """Return every separate key. Keys of a func or a call end in `<name>` or `<id>`."""
    of_funcs = [
        getattr(keys, kind)("<name>") for kind in ("func", "counts", "calls", "rotated", "logs")
    ]
    of_calls = [keys.call("<id>"), keys.done("<id>")]
    single = [keys.funcs, keys.service, keys.wake, keys.instances, keys.workers, keys.removing]
    others = [keys.kills("<engine>"), keys.image_removal("<image id>"), f"{keys.attempts}/…"]
    return [*of_funcs, *of_calls, *single, *others]


@pytest.mark.parametrize("prefix", ["funcsvc:", "p", "a:b:"])
def test_keys_are_below_the_prefix(prefix):
    keys = RedisKeys(prefix)
    assert keys.func("hello") == f"{prefix}func:hello"
    assert keys.funcs == f"{prefix}funcs"
    assert keys.attempts == f"{prefix}attempts"
    assert all(key.startswith(prefix) for key in every_key(keys))


@pytest.mark.parametrize("name", ["funcs", "s", "a"])
def test_no_func_has_the_key_of_the_index(name):
    keys = RedisKeys("p:")
    assert keys.func(name) != keys.funcs


def test_every_key_is_in_the_catalogue():
    keys = RedisKeys("<prefix>")
    assert len({*every_key(keys)}) == len(every_key(keys))
    for key in every_key(keys):
        assert f"| `{key}` |" in redis_keys.__doc__


def test_every_key_that_scripts_name_is_in_the_catalogue():
    for key in RedisKeys("<prefix>").for_scripts.values():
        ends = ("<name>", "<id>", "<engine>", "<image id>") if key.endswith(":") else ()
        shown = [f"| `{key}{end}` |" for end in ends]
        assert any(row in redis_keys.__doc__ for row in shown or [f"| `{key}` |"])
