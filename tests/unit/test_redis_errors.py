"""Errors of redis-py become sentences that say why Redis can't be used."""

from __future__ import annotations

import errno

import pytest
import redis

from funcsvc.model.errors import ConnectionsInUse, StoreUnavailable
from funcsvc.store.client import check_info
from funcsvc.store.connections import make_pool
from funcsvc.store.translation import AnswerLost, translated

SECRET = "hunter2@10.0.0.1:6379"


def refusal(error: Exception) -> StoreUnavailable:
    with pytest.raises(StoreUnavailable) as caught, translated():
        raise error
    assert caught.value.__cause__ is error
    return caught.value


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (redis.exceptions.OutOfMemoryError("command not allowed"), "its memory is full"),
        (redis.exceptions.ReadOnlyError("You can't write"), "it is a read-only replica"),
        (redis.exceptions.BusyLoadingError("loading"), "it is still loading its data"),
        (redis.exceptions.MasterDownError("link down"), "it has lost its master"),
        (
            redis.exceptions.NoPermissionError("no perm"),
            "its user has no permission for a command or key of this service",
        ),
        (
            redis.exceptions.AuthenticationError("invalid"),
            "it did not accept the user and password",
        ),
        (
            redis.exceptions.ResponseError("DENIED Redis is running in protected mode"),
            "it is in protected mode, and accepts only loopback connections",
        ),
        (
            redis.exceptions.ResponseError("OOM command not allowed when used memory > maxmemory"),
            "its memory is full",
        ),
        (
            redis.exceptions.ResponseError(
                "Error running script (call to f_0): @user_script:12: -OOM command not allowed"
            ),
            "its memory is full",
        ),
        (
            redis.exceptions.ResponseError(
                "Error running script (call to f_0): @user_script: 12: -READONLY You can't write"
            ),
            "it is a read-only replica",
        ),
        (
            redis.exceptions.ResponseError("MISCONF Redis is configured to save RDB snapshots"),
            "it can't write to its disk",
        ),
        (redis.exceptions.ResponseError("BUSY Redis is busy"), "it is busy with a script"),
        (
            redis.exceptions.ResponseError("NOREPLICAS Not enough good replicas"),
            "it has too few replicas to accept a write",
        ),
        (redis.exceptions.ResponseError("WRONGTYPE not a string"), "it refused the request"),
        (redis.exceptions.ResponseError("BOOM"), "it refused the request"),
    ],
)
def test_refusal_of_redis_is_named_and_nothing_was_lost(error, reason):
    refused = refusal(error)
    assert refused.message == f"Redis can't be used: {reason}."
    assert not isinstance(refused, AnswerLost)


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (redis.exceptions.TimeoutError("Timeout reading"), "it did not answer in time"),
        (redis.exceptions.ConnectionError(f"Error 111 {SECRET}"), "it can't be reached"),
    ],
)
def test_answer_that_never_came_is_told_from_a_refusal(error, reason):
    refused = refusal(error)
    assert isinstance(refused, AnswerLost)
    assert refused.message == f"Redis can't be used: {reason}."


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (errno.ECONNREFUSED, "connection refused"),
        (errno.EINVAL, "invalid argument"),
        (errno.ENETUNREACH, "network is unreachable"),
        (errno.EACCES, "permission denied"),
    ],
)
def test_reason_of_the_operating_system_is_named(code, reason):
    error = redis.exceptions.ConnectionError(f"Error {code} connecting to {SECRET}")
    error.__context__ = OSError(code, SECRET)
    assert refusal(error).message == f"Redis can't be used: it can't be reached: {reason}."


@pytest.mark.parametrize(
    "error",
    [
        redis.exceptions.ConnectionError("No connection available."),
        redis.exceptions.MaxConnectionsError("Too many connections"),
    ],
)
def test_empty_pool_is_not_blamed_on_redis(error):
    assert isinstance(refusal(error), ConnectionsInUse)


def test_other_errors_are_left_alone():
    with pytest.raises(KeyError), translated():
        raise KeyError("a bug")


def check(**info: str) -> None:
    check_info(info)


@pytest.mark.parametrize("version", ["6.2.0", "6.2", "7.0.15", "8.0.0", "10.1.2"])
def test_redis_that_is_new_enough_and_never_evicts_can_be_used(version):
    check(redis_version=version, maxmemory_policy="noeviction")


@pytest.mark.parametrize("version", ["6.0.16", "6.1.99", "5.0", "2.8"])
def test_redis_that_is_too_old_is_refused(version):
    with pytest.raises(StoreUnavailable) as caught:
        check(redis_version=version, maxmemory_policy="noeviction")
    assert caught.value.message == (
        f"Redis can't be used: it is version {version}, and 6.2 or newer is needed."
    )


@pytest.mark.parametrize("policy", ["allkeys-lru", "volatile-ttl"])
def test_redis_that_evicts_is_refused(policy):
    with pytest.raises(StoreUnavailable) as caught:
        check(redis_version="7.0", maxmemory_policy=policy)
    assert caught.value.message == (
        f"Redis can't be used: its maxmemory-policy is {policy}, which loses data, "
        "and must be noeviction."
    )


def test_master_is_asked_of_the_sentinels_that_the_url_names():
    url = (
        "rediss+sentinel://us%40er:p%2Fw@a.example:1,b.example,[::1]:7/main/3"
        "?sentinel_username=w&sentinel_password=s%40&ssl_check_hostname=false"
    )
    pool = make_pool(url, command_seconds=2, max_connections=7)
    sentinels = [each.connection_pool.connection_kwargs for each in pool.sentinel_manager.sentinels]
    assert pool.service_name == "main"
    assert [(each["host"], each["port"]) for each in sentinels] == [
        ("a.example", 1),
        ("b.example", 26379),
        ("::1", 7),
    ]
    for each in sentinels:
        assert (each["username"], each["password"]) == ("w", "s@")
        assert (each["socket_timeout"], each["ssl_check_hostname"]) == (2, False)
    options = pool.connection_kwargs
    assert (options["username"], options["password"], options["db"]) == ("us@er", "p/w", 3)
    assert (options["socket_timeout"], options["ssl_check_hostname"]) == (2, False)
    assert pool.max_connections == 7
    assert issubclass(pool.connection_class, redis.connection.SSLConnection)
