"""Failed attempts over the real Redis: counted by address and key, for a while."""

from __future__ import annotations

import re

import pytest
from limits import parse

from dev.machine.waiting import wait_until
from funcsvc.model.errors import StoreUnavailable, TooManyAttempts
from funcsvc.store import FailedAttempts
from funcsvc.store.attempts import RedisFailedAttempts
from funcsvc.store.connections import make_pool
from funcsvc.store.keys import RedisKeys
from tests.contract.stores import STORE_SECONDS

HOME, AWAY = "198.51.100.7", "2001:db8:2:3::"


@pytest.fixture
def make_attempts(redis_url, redis_prefix):
    """Make counters that each have their own client, as separate processes have."""

    def make(limit: str, url: str = redis_url) -> FailedAttempts:
        pool = make_pool(url, STORE_SECONDS / 2, max_connections=4)
        return RedisFailedAttempts(pool, RedisKeys(redis_prefix), parse(limit))

    return make


def fail(attempts: FailedAttempts, times: int, address: str = HOME, key: str = "") -> None:
    for _ in range(times):
        attempts.add(address, key)


def is_limited(attempts: FailedAttempts, address: str = HOME, key: str = "") -> bool:
    """Count one more attempt, and tell whether it is beyond the limit."""
    try:
        attempts.add(address, key)
    except TooManyAttempts:
        return True
    return False


@pytest.mark.parametrize("key", ["", "mykey"])
@pytest.mark.parametrize("limit", [1, 3])
def test_address_may_fail_as_often_as_the_limit_says(make_attempts, limit, key):
    attempts = make_attempts(f"{limit}/hour")
    fail(attempts, limit, key=key)
    for _ in range(2):
        with pytest.raises(TooManyAttempts) as caught:
            attempts.add(HOME, key)
        assert 0 < caught.value.retry_after_seconds <= 3600
        assert caught.value.message == (
            "Too many requests from this address had no valid access key: "
            f"try again in {caught.value.retry_after_seconds} seconds."
        )


def test_other_address_and_other_key_are_not_limited(make_attempts):
    attempts = make_attempts("1/hour")
    fail(attempts, 1, HOME, "mykey")
    for address, key in ((AWAY, "mykey"), (HOME, "other"), (AWAY, ""), ("unknown", "")):
        assert not is_limited(attempts, address, key)
    assert is_limited(attempts, HOME, "mykey")


def test_known_keys_can_not_be_told_from_unknown_ones_beyond_the_limit(make_attempts):
    attempts = make_attempts("2/hour")
    fail(attempts, 2)
    assert is_limited(attempts)
    assert is_limited(attempts, key="mykey")
    assert not is_limited(attempts, AWAY, "mykey")


def test_processes_count_together(make_attempts):
    fail(make_attempts("2/hour"), 1)
    fail(make_attempts("2/hour"), 1)
    assert is_limited(make_attempts("2/hour"))


def test_address_may_try_again_when_the_window_is_over(make_attempts):
    attempts = make_attempts("1/second")
    fail(attempts, 1)
    wait_until(lambda: not is_limited(attempts), "the window is over")


def test_counters_are_below_the_prefix_expire_and_name_nobody(
    make_attempts, redis_client, redis_prefix
):
    attempts = make_attempts("3/minute")
    fail(attempts, 2)
    fail(attempts, 1, AWAY)
    fail(attempts, 1, HOME, "mykey")
    keys = [key.decode() for key in redis_client.scan_iter(f"{redis_prefix}*")]
    assert len(keys) == 3
    for key in keys:
        assert key.startswith(RedisKeys(redis_prefix).attempts)
        assert 0 < redis_client.ttl(key) <= 60
        assert not any(name in key for name in (HOME, AWAY, "mykey"))


def test_any_number_of_addresses_has_a_bounded_number_of_counters(
    make_attempts, redis_client, redis_prefix
):
    attempts = make_attempts("100000/hour")
    fail_from = [f"198.51.{first}.{last}" for first in range(10) for last in range(100)]
    for address in fail_from:
        attempts.add(address)
    names = [key.split(b"/") for key in redis_client.scan_iter(f"{redis_prefix}*")]
    assert len(names) < len(fail_from)
    assert all(re.fullmatch(b"[0-9a-f]{4}", name[1]) for name in names), "of 16 bits"


def test_attempts_whose_redis_is_gone_are_unavailable(make_attempts, proxy):
    proxy.close()
    attempts = make_attempts("1/hour", proxy.url)
    for key in ("", "mykey"):
        with pytest.raises(StoreUnavailable) as caught:
            attempts.add(HOME, key)
        assert (
            caught.value.message == "Redis can't be used: it can't be reached: connection refused."
        )
