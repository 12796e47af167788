"""One suite for the fake and the real store, and the failures that only the real one has."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest

from dev import servers
from dev.machine.waiting import PATIENCE_SECONDS
from funcsvc.model import Func
from funcsvc.model.errors import FuncExists, FuncNotFound, ImageBeingRemoved, StoreUnavailable
from funcsvc.store.client import ClientLimits, RedisClient
from funcsvc.store.funcs import RedisFuncStore
from funcsvc.store.keys import RedisKeys
from funcsvc.store.scripts import get_script
from tests.contract.stores import STORE_SECONDS, make_store, new_func


def test_created_func_is_read_back_as_it_was_written(store):
    func, definition = new_func(cmd="echo ä☃😀")
    store.create_func(func, definition)
    assert store.get_func("hello") == definition


def test_func_that_was_never_created_is_not_found(store):
    store.create_func(*new_func("other"))
    with pytest.raises(FuncNotFound) as caught:
        store.get_func("hello")
    assert caught.value.message == 'There is no function named "hello".'


def test_create_func_with_taken_name_conflicts_and_changes_nothing(store):
    func, definition = new_func()
    store.create_func(func, definition)
    with pytest.raises(FuncExists) as caught:
        store.create_func(*new_func(cmd="other"))
    assert caught.value.message == (
        'Name is "hello", but a function with that name already exists.'
    )
    assert store.get_func("hello") == definition


def test_same_func_created_again_conflicts(store):
    func, definition = new_func()
    store.create_func(func, definition)
    with pytest.raises(FuncExists):
        store.create_func(func, definition)


def test_funcs_of_different_names_do_not_conflict(store):
    made = {name: new_func(name) for name in ("a", "a-b", "funcs", "x" * 255)}
    for func, definition in made.values():
        store.create_func(func, definition)
    for name, (_, definition) in made.items():
        assert store.get_func(name) == definition


def test_of_many_creates_of_one_name_exactly_one_wins(store):
    made = [new_func(cmd=f"echo {number}") for number in range(32)]

    def create(pair: tuple[Func, str]) -> str | None:
        try:
            store.create_func(*pair)
        except FuncExists:
            return None
        return pair[1]

    with ThreadPoolExecutor(8) as pool:
        won = [definition for definition in pool.map(create, made) if definition]
    assert won == [store.get_func("hello")]


def test_store_that_can_be_used_passes_its_check(store):
    store.check()


def keys_of(redis_client, prefix: str) -> set[str]:
    """Return which of the two keys of the func hello exist."""
    return {key for key in ("func:hello", "funcs") if redis_client.exists(prefix + key)}


def test_create_writes_the_definition_and_the_index(real_store, redis_client, redis_prefix):
    func, definition = new_func()
    real_store.create_func(func, definition)
    assert keys_of(redis_client, redis_prefix) == {"func:hello", "funcs"}
    assert redis_client.get(f"{redis_prefix}func:hello").decode() == definition
    created_ms = int(func.created.timestamp() * 1000)
    assert redis_client.zrange(f"{redis_prefix}funcs", 0, -1, withscores=True) == [
        (b"hello", created_ms)
    ]
    assert redis_client.ttl(f"{redis_prefix}func:hello") == -1


def test_create_that_conflicts_leaves_the_index_alone(real_store, redis_client, redis_prefix):
    real_store.create_func(*new_func())
    before = redis_client.zrange(f"{redis_prefix}funcs", 0, -1, withscores=True)
    later, definition = new_func()
    with pytest.raises(FuncExists):
        real_store.create_func(later, definition)
    assert redis_client.zrange(f"{redis_prefix}funcs", 0, -1, withscores=True) == before


def test_stores_of_other_prefixes_share_nothing(redis_url, redis_prefix, real_store):
    other = make_store(redis_url, f"{redis_prefix}other:")
    real_store.create_func(*new_func())
    other.create_func(*new_func())
    with pytest.raises(FuncExists):
        other.create_func(*new_func())


@pytest.mark.parametrize("seconds_late", [1, 3600])
def test_script_that_comes_late_writes_nothing(redis_client, redis_prefix, seconds_late):
    verdict = run_script(redis_client, redis_prefix, deadline_ms_from_now=-1000 * seconds_late)
    assert verdict == b"late"
    assert keys_of(redis_client, redis_prefix) == set()


def test_script_that_comes_in_time_writes_both_keys(redis_client, redis_prefix):
    assert run_script(redis_client, redis_prefix, deadline_ms_from_now=60_000) == b"created"
    assert keys_of(redis_client, redis_prefix) == {"func:hello", "funcs"}
    assert run_script(redis_client, redis_prefix, deadline_ms_from_now=60_000) == b"exists"


def run_script(redis_client, prefix: str, *, deadline_ms_from_now: int) -> bytes:
    """Run the script by hand, check its clock and return its verdict."""
    text = get_script("create_func", RedisKeys(prefix)).text
    seconds, microseconds = redis_client.time()
    now_ms = seconds * 1000 + microseconds // 1000
    deadline_ms = now_ms + deadline_ms_from_now
    verdict, script_now_ms = redis_client.eval(text, 0, "{}", "hello", 1, "", deadline_ms)
    assert 0 <= script_now_ms - now_ms < 5000
    return verdict


@pytest.mark.parametrize("hours", [-1, 1])
def test_create_works_also_when_the_clocks_have_moved_apart(redis_url, redis_prefix, hours):
    jump_seconds = 0
    client = RedisClient(
        redis_url, ClientLimits(timeout_seconds=10), lambda: time.monotonic() + jump_seconds
    )
    store = RedisFuncStore(client, RedisKeys(redis_prefix))
    store.create_func(*new_func("before"))
    jump_seconds = hours * 3600
    func, definition = new_func()
    store.create_func(func, definition)
    assert store.get_func("hello") == definition


def test_create_that_is_late_again_is_reported_as_not_stored(redis_url, redis_prefix, real_store):
    # as if every command took too long
    late = make_store(redis_url, redis_prefix, deadline_share=-0.2)
    with pytest.raises(StoreUnavailable) as caught:
        late.create_func(*new_func())
    assert caught.value.message == "Redis can't be used: it did not answer in time."
    with pytest.raises(FuncNotFound):
        real_store.get_func("hello")


@pytest.mark.parametrize("fault", ["cut after", "hush after"])
def test_create_whose_answer_is_lost_is_reported_as_it_was_carried_out(
    fragile_store, real_store, proxy, fault
):
    func, definition = new_func()
    proxy.fault = fault
    fragile_store.create_func(func, definition)
    assert proxy.done.is_set()
    assert real_store.get_func("hello") == definition


@pytest.mark.parametrize("fault", ["cut after", "hush after"])
def test_conflict_whose_answer_is_lost_is_reported_as_a_conflict(
    fragile_store, real_store, proxy, fault
):
    _, theirs = first = new_func()
    real_store.create_func(*first)
    proxy.fault = fault
    with pytest.raises(FuncExists):
        fragile_store.create_func(*new_func())
    assert proxy.done.is_set()
    assert real_store.get_func("hello") == theirs


def test_create_that_never_reached_redis_is_made_by_a_second_try(fragile_store, real_store, proxy):
    proxy.fault = "cut before"
    func, definition = new_func()
    fragile_store.create_func(func, definition)
    assert real_store.get_func("hello") == definition


def test_create_that_reaches_redis_after_its_client_gave_up_is_not_stored(
    fragile_store, real_store, proxy
):
    proxy.fault = "hold"
    with pytest.raises(StoreUnavailable):
        fragile_store.create_func(*new_func())
    proxy.release.set()
    assert proxy.done.wait(PATIENCE_SECONDS)
    with pytest.raises(FuncNotFound):
        real_store.get_func("hello")


@pytest.mark.parametrize("fault", ["cut before", "cut after", "hush after", "hold"])
def test_store_works_again_after_a_fault(fragile_store, real_store, proxy, fault):
    proxy.fault = fault
    try:
        fragile_store.create_func(*new_func("lost"))
    except StoreUnavailable:
        assert fault in ("cut before", "hold")
    proxy.release.set()
    func, definition = new_func()
    fragile_store.create_func(func, definition)
    assert real_store.get_func("hello") == definition


def test_every_outcome_of_a_fault_comes_within_the_stores_patience(fragile_store, proxy):
    proxy.fault = "hold"
    begin = time.monotonic()
    with pytest.raises(StoreUnavailable):
        fragile_store.create_func(*new_func())
    assert time.monotonic() - begin < PATIENCE_SECONDS


def test_store_whose_redis_is_gone_is_unavailable(redis_prefix, proxy):
    proxy.close()
    store = make_store(proxy.url, redis_prefix, STORE_SECONDS)
    for use in (store.check, lambda: store.get_func("a"), lambda: store.create_func(*new_func())):
        with pytest.raises(StoreUnavailable) as caught:
            use()
        assert (
            caught.value.message == "Redis can't be used: it can't be reached: connection refused."
        )
        assert "127.0.0.1" not in caught.value.message


def test_no_func_is_created_with_an_image_that_is_being_removed(store):
    store.announce_image_removal("sha256:1", 60)
    func, definition = new_func()
    with pytest.raises(ImageBeingRemoved):
        store.create_func(func, definition, "sha256:1")
    with pytest.raises(FuncNotFound):
        store.get_func("hello")
    store.create_func(func, definition, "sha256:2")


@pytest.mark.parametrize("seconds", [0, 0.01])
def test_announced_removal_ends_and_a_later_one_can_be_shorter(store, seconds):
    store.announce_image_removal("sha256:1", 60)
    store.announce_image_removal("sha256:1", seconds)

    def is_created() -> bool:
        with suppress(ImageBeingRemoved):
            store.create_func(*new_func(), "sha256:1")
            return True
        return False

    servers.wait_until(is_created, "it has ended")
