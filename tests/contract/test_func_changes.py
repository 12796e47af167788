"""One suite for the fake and the real store: updates and deletes, concurrent and with faults."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from dev.machine.waiting import PATIENCE_SECONDS
from funcsvc.model.errors import FuncNotFound, InvalidDefinition, StoreUnavailable
from funcsvc.schemas import ChangesSchema
from funcsvc.store.keys import RedisKeys
from funcsvc.store.scripts import get_script
from tests.contract.stores import STORE_SECONDS, make_store, new_func

CLIENTS = 100


def change(**fields) -> Callable[[str], str]:
    """Return the change that an update with this body makes to a definition."""
    schema = ChangesSchema()
    return lambda definition: schema.load_changes(fields, definition).apply_to(definition)


def replaced_by(text: str) -> Callable[[str], str]:
    return lambda _: text


USES = {
    "update": lambda store: store.update_func("hello", change(Timeout=5)),
    "delete": lambda store: store.delete_func("hello"),
}


def test_updated_func_is_answered_and_read_back(store):
    store.create_func(*new_func())
    after = store.update_func("hello", change(Timeout=5))
    assert json.loads(after)["Timeout"] == 5
    assert store.get_func("hello") == after


def test_update_leaves_what_the_others_are_and_where_they_stand(store):
    made = {name: new_func(name, created_ms=n) for n, name in enumerate("abc")}
    for pair in made.values():
        store.create_func(*pair)
    after = store.update_func("b", change(Timeout=5, Refresh=True))
    assert next(store.list_funcs()) == [made["c"][1], after, made["a"][1]]


def test_update_gets_what_is_stored(store):
    func, definition = new_func(cmd="echo ä☃😀")
    store.create_func(func, definition)
    seen = []
    store.update_func("hello", lambda before: seen.append(before) or before)
    assert seen == [definition]


def test_update_of_a_func_that_is_not_there_is_not_found(store):
    store.create_func(*new_func("other"))
    with pytest.raises(FuncNotFound) as caught:
        store.update_func("hello", replaced_by("{}"))
    assert caught.value.message == 'There is no function named "hello".'
    with pytest.raises(FuncNotFound):
        store.get_func("hello")


def test_update_that_is_refused_changes_nothing(store):
    func, definition = new_func()
    store.create_func(func, definition)
    with pytest.raises(InvalidDefinition):
        store.update_func("hello", change(Timeout=5, Name="other"))
    assert store.get_func("hello") == definition


def test_deleted_func_is_gone_and_its_name_is_free(store):
    store.create_func(*new_func())
    store.create_func(*new_func("other"))
    store.delete_func("hello")
    for use in (store.get_func, store.delete_func):
        with pytest.raises(FuncNotFound) as caught:
            use("hello")
        assert caught.value.message == 'There is no function named "hello".'
    assert store.get_func("other")
    store.create_func(*new_func())
    assert store.get_func("hello")


def test_delete_of_a_func_that_was_never_there_is_not_found(store):
    with pytest.raises(FuncNotFound):
        store.delete_func("hello")


@pytest.fixture
def eager_threads():
    """Make threads interrupt one another a thousand times as often."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(before / 1000)
    yield
    sys.setswitchinterval(before)


@pytest.mark.usefixtures("eager_threads")
def test_of_many_updates_at_once_none_is_lost(store):
    store.create_func(*new_func())

    def add_variable(number: int) -> None:
        def add(before: str) -> str:
            env = json.loads(before)["Config"]["Env"]
            return change(Config={"Env": [*env, f"V{number}={number}"]})(before)

        store.update_func("hello", add)

    with ThreadPoolExecutor(CLIENTS) as clients:
        list(clients.map(add_variable, range(CLIENTS)))
    env = json.loads(store.get_func("hello"))["Config"]["Env"]
    assert sorted(env) == sorted(f"V{number}={number}" for number in range(CLIENTS))


@pytest.mark.usefixtures("eager_threads")
def test_updates_of_different_fields_at_once_do_not_mix(store):
    store.create_func(*new_func())
    bodies = [
        {"ContainerSize": "m1"},
        {"Timeout": 5},
        {"Config": {"Env": ["A=1"]}},
        {"Refresh": True},
    ]
    before = json.loads(store.get_func("hello"))
    with ThreadPoolExecutor(CLIENTS) as clients:
        updates = [bodies[number % 4] for number in range(CLIENTS)]
        list(clients.map(lambda body: store.update_func("hello", change(**body)), updates))
    after = json.loads(store.get_func("hello"))
    assert after["UUID"] != before["UUID"]
    assert after == {
        **before,
        "ContainerSize": "m1",
        "Timeout": 5,
        "UUID": after["UUID"],
        "Config": {**before["Config"], "Env": ["A=1"]},
    }


@pytest.mark.usefixtures("eager_threads")
def test_update_at_once_with_a_delete_brings_nothing_back(store):
    for _ in range(30):
        store.create_func(*new_func())
        with ThreadPoolExecutor(4) as clients:
            updates = [
                clients.submit(store.update_func, "hello", change(Timeout=n)) for n in (1, 2)
            ]
            clients.submit(store.delete_func, "hello").result()
        assert {type(update.exception()) for update in updates} <= {type(None), FuncNotFound}
        with pytest.raises(FuncNotFound):
            store.get_func("hello")
        assert list(store.list_funcs()) == []


def keys_below(redis_client, prefix: str) -> set[str]:
    return {key.decode().removeprefix(prefix) for key in redis_client.scan_iter(f"{prefix}*")}


def test_update_writes_the_definition_alone(real_store, redis_client, redis_prefix):
    real_store.create_func(*new_func())
    index = redis_client.zrange(f"{redis_prefix}funcs", 0, -1, withscores=True)
    after = real_store.update_func("hello", change(Timeout=5))
    assert redis_client.get(f"{redis_prefix}func:hello").decode() == after
    assert redis_client.ttl(f"{redis_prefix}func:hello") == -1
    assert redis_client.zrange(f"{redis_prefix}funcs", 0, -1, withscores=True) == index
    assert keys_below(redis_client, redis_prefix) == {"func:hello", "funcs"}


def test_delete_leaves_no_key(real_store, redis_client, redis_prefix):
    real_store.create_func(*new_func())
    real_store.update_func("hello", change(Timeout=5))
    real_store.delete_func("hello")
    assert keys_below(redis_client, redis_prefix) == set()


def run_script(
    redis_client, name: str, prefix: str, *args: str, deadline_ms_from_now: int
) -> bytes:
    """Run a script on the func hello by hand and return its verdict."""
    keys = RedisKeys(prefix)
    seconds, microseconds = redis_client.time()
    deadline_ms = seconds * 1000 + microseconds // 1000 + deadline_ms_from_now
    text = get_script(name, keys).text
    verdict, _ = redis_client.eval(text, 0, "hello", *args, deadline_ms)
    return verdict


@pytest.mark.parametrize("name", ["update_func", "delete_func"])
def test_script_that_comes_late_writes_nothing(redis_client, redis_prefix, real_store, name):
    func, definition = new_func()
    real_store.create_func(func, definition)
    args = [definition, "new"] if name == "update_func" else ["0"]
    late = run_script(redis_client, name, redis_prefix, *args, deadline_ms_from_now=-1000)
    assert (late, real_store.get_func("hello")) == (b"late", definition)
    assert keys_below(redis_client, redis_prefix) == {"func:hello", "funcs"}
    verdict = run_script(redis_client, name, redis_prefix, *args, deadline_ms_from_now=60_000)
    assert verdict in (b"updated", b"deleted")


def test_update_script_writes_only_over_what_was_read(redis_client, redis_prefix, real_store):
    func, definition = new_func()
    real_store.create_func(func, definition)
    arguments = ("update_func", redis_prefix, "other", "new")
    assert run_script(redis_client, *arguments, deadline_ms_from_now=60_000) == b"changed"
    assert real_store.get_func("hello") == definition
    real_store.delete_func("hello")
    assert run_script(redis_client, *arguments, deadline_ms_from_now=60_000) == b"changed"
    assert keys_below(redis_client, redis_prefix) == set()


def test_change_that_is_late_again_is_reported_as_not_made(redis_url, redis_prefix, real_store):
    func, definition = new_func()
    real_store.create_func(func, definition)
    # as if every command took too long
    late = make_store(redis_url, redis_prefix, deadline_share=-0.2)
    for use in (
        lambda: late.update_func("hello", change(Timeout=5)),
        lambda: late.delete_func("hello"),
    ):
        with pytest.raises(StoreUnavailable) as caught:
            use()
        assert caught.value.message == "Redis can't be used: it did not answer in time."
        assert real_store.get_func("hello") == definition


@pytest.fixture
def known(fragile_store, real_store):
    """The definition of a stored func. Through the fragile store, Redis has the scripts loaded."""
    fragile_store.update_func("warm-up", change(Timeout=1))
    fragile_store.delete_func("warm-up")
    func, definition = new_func()
    real_store.create_func(func, definition)
    return definition


@pytest.mark.parametrize("fault", ["cut after", "hush after"])
def test_update_whose_answer_is_lost_is_reported_as_it_was_carried_out(
    fragile_store, real_store, proxy, known, fault
):
    proxy.fault = fault
    after = fragile_store.update_func("hello", change(Timeout=5))
    assert proxy.done.is_set()
    assert real_store.get_func("hello") == after != known


@pytest.mark.parametrize("fault", ["cut after", "hush after"])
def test_delete_whose_answer_is_lost_is_reported_as_it_was_carried_out(
    fragile_store, real_store, proxy, known, fault
):
    proxy.fault = fault
    fragile_store.delete_func("hello")
    assert proxy.done.is_set()
    with pytest.raises(FuncNotFound):
        real_store.get_func("hello")


@pytest.mark.parametrize("use", USES.values(), ids=USES)
def test_change_that_did_not_come_in_time_is_reported_and_never_made(
    fragile_store, real_store, proxy, known, use
):
    proxy.fault = "hold"
    with pytest.raises(StoreUnavailable) as caught:
        use(fragile_store)
    assert caught.value.message.startswith("Redis can't be used: ")
    proxy.release.set()
    assert proxy.done.wait(PATIENCE_SECONDS)
    assert real_store.get_func("hello") == known


def test_delete_that_never_reached_redis_is_made_by_a_second_try(
    fragile_store, real_store, proxy, known
):
    proxy.fault = "cut before"
    fragile_store.delete_func("hello")
    with pytest.raises(FuncNotFound):
        real_store.get_func("hello")


def test_delete_of_a_missing_func_that_never_reached_redis_is_not_found(
    fragile_store, proxy, known
):
    proxy.fault = "cut before"
    with pytest.raises(FuncNotFound):
        fragile_store.delete_func("nope")


@pytest.mark.parametrize("fault", ["cut before", "hold"])
@pytest.mark.parametrize("use", USES.values(), ids=USES)
def test_store_works_again_after_a_fault(fragile_store, real_store, proxy, known, fault, use):
    proxy.fault = fault
    with contextlib.suppress(StoreUnavailable, FuncNotFound):
        use(fragile_store)
    proxy.release.set()
    with contextlib.suppress(FuncNotFound):
        use(fragile_store)
    assert known not in [text for page in real_store.list_funcs() for text in page]


def test_store_whose_redis_is_gone_is_unavailable(redis_prefix, proxy):
    proxy.close()
    store = make_store(proxy.url, redis_prefix, STORE_SECONDS)
    for use in (
        *USES.values(),
        lambda one: one.get_funcs(["a"]),
        lambda one: next(one.list_funcs()),
    ):
        with pytest.raises(StoreUnavailable) as caught:
            use(store)
        assert (
            caught.value.message == "Redis can't be used: it can't be reached: connection refused."
        )
