"""The keys in Redis: below the prefix, and never the same for two things."""

from __future__ import annotations

import pytest

from funcsvc import redis_keys
from funcsvc.redis_keys import RedisKeys


@pytest.mark.parametrize("prefix", ["funcsvc:", "p", "a:b:"])
def test_keys_are_below_the_prefix(prefix):
    keys = RedisKeys(prefix)
    assert keys.func("hello") == f"{prefix}func:hello"
    assert keys.funcs == f"{prefix}funcs"
    assert keys.attempts == f"{prefix}attempts"


@pytest.mark.parametrize("name", ["funcs", "s", "a"])
def test_no_func_has_the_key_of_the_index(name):
    keys = RedisKeys("p:")
    assert keys.func(name) != keys.funcs


def test_every_key_is_in_the_catalogue():
    keys = RedisKeys("<prefix>")
    for key in (keys.func("<name>"), keys.funcs, f"{keys.attempts}/…"):
        assert f"| `{key}` |" in redis_keys.__doc__
