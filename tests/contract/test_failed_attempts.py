"""Failed attempts over the real Redis: counted by address, for a while, below the prefix."""

from __future__ import annotations

import time

import pytest
from limits import parse

from funcsvc.model.errors import StoreUnavailable, TooManyAttempts
from funcsvc.store import FailedAttempts
from funcsvc.store.attempts import RedisFailedAttempts
from funcsvc.store.connections import make_pool
from funcsvc.store.keys import RedisKeys
from tests.contract.stores import PATIENCE_SECONDS

HOME, AWAY = "198.51.100.7", "2001:db8:2:3::"


@pytest.fixture
def make_attempts(redis_url, redis_prefix):
    """Make counters that each have their own client, as separate processes have."""

    def make(limit: str, url: str = redis_url) -> FailedAttempts:
        pool = make_pool(url, PATIENCE_SECONDS / 2, max_connections=4)
        return RedisFailedAttempts(pool, RedisKeys(redis_prefix), parse(limit))

    return make


def fail(attempts: FailedAttempts, times: int, address: str = HOME) -> None:
    for _ in range(times):
        attempts.check(address)
        attempts.add(address)


@pytest.mark.parametrize("limit", [1, 3])
def test_address_may_fail_as_often_as_the_limit_says(make_attempts, limit):
    attempts = make_attempts(f"{limit}/hour")
    fail(attempts, limit)
    for _ in range(2):
        with pytest.raises(TooManyAttempts) as caught:
            attempts.check(HOME)
        assert 0 < caught.value.retry_after_seconds <= 3600
        assert caught.value.message == (
            "Too many requests from this address had no valid access key: "
            f"try again in {caught.value.retry_after_seconds} seconds."
        )


def test_checking_alone_is_no_attempt(make_attempts):
    attempts = make_attempts("1/hour")
    for _ in range(5):
        attempts.check(HOME)


def test_other_address_is_not_limited(make_attempts):
    attempts = make_attempts("1/hour")
    fail(attempts, 1)
    attempts.check(AWAY)
    fail(attempts, 1, AWAY)
    attempts.check("unknown")


def test_processes_count_together(make_attempts):
    fail(make_attempts("2/hour"), 1)
    fail(make_attempts("2/hour"), 1)
    with pytest.raises(TooManyAttempts):
        make_attempts("2/hour").check(HOME)


def test_address_may_try_again_when_the_window_is_over(make_attempts):
    attempts = make_attempts("1/second")
    fail(attempts, 1)
    deadline = time.monotonic() + 10
    while is_limited(attempts):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    fail(attempts, 1)


def is_limited(attempts: FailedAttempts) -> bool:
    try:
        attempts.check(HOME)
    except TooManyAttempts:
        return True
    return False


def test_counters_are_below_the_prefix_and_expire(make_attempts, redis_client, redis_prefix):
    attempts = make_attempts("3/minute")
    fail(attempts, 2)
    fail(attempts, 1, AWAY)
    keys = list(redis_client.scan_iter(f"{redis_prefix}*"))
    assert len(keys) == 2
    for key in keys:
        assert key.decode().startswith(RedisKeys(redis_prefix).attempts)
        assert 0 < redis_client.ttl(key) <= 60
    everywhere = list(redis_client.scan_iter(f"*{AWAY}*"))
    assert all(key.decode().startswith("funcsvc-test-") for key in everywhere)


def test_attempts_whose_redis_is_gone_are_unavailable(make_attempts, proxy):
    proxy.close()
    attempts = make_attempts("1/hour", proxy.url)
    for use in (attempts.check, attempts.add):
        with pytest.raises(StoreUnavailable) as caught:
            use(HOME)
        assert caught.value.message == "Redis can't be used: it can't be reached."
