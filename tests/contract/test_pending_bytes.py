"""The bounds on the bytes that calls take before they end, on the fakes and on Redis."""

from __future__ import annotations

import pytest

from funcsvc.model import MEGABYTE
from funcsvc.model.errors import TooManyPendingBytes
from tests.contract.calls import FAILED, new_call
from tests.contract.whole_state import CALL_OVERHEAD_BYTES

ONE = 1000 + CALL_OVERHEAD_BYTES
ENVIRONMENT = [b"A=1", b"B=22"]


def refused(service, func, **changes) -> str:
    """Return the message with which a call is refused."""
    with pytest.raises(TooManyPendingBytes) as caught:
        service.calls.create_call(new_call(func, **changes))
    return caught.value.message


def test_payloads_of_a_func_are_bounded_in_bytes_and_not_by_count_alone(make_service):
    service = make_service(max_pending_bytes=3 * ONE)
    func, other = service.add_func(), service.add_func("other")
    for _ in range(3):
        service.call(func, b"x" * 1000)
    assert refused(service, func) == (
        f"The pending calls of this function can take {3 * ONE} bytes at most, and have no room "
        "for this one: try again in a few seconds."
    )
    service.call(other, b"x" * 1000)


def test_payloads_of_all_funcs_are_bounded_in_bytes(make_service):
    service = make_service(max_all_pending_bytes=3 * ONE)
    funcs = [service.add_func(name) for name in ("a", "b", "c", "d")]
    for func in funcs[:3]:
        service.call(func, b"x" * 1000)
    assert refused(service, funcs[3]) == (
        f"The pending calls of all functions can take {3 * ONE} bytes at most, and have no room "
        "for this one: try again in a few seconds."
    )


@pytest.mark.parametrize(("left", "fits"), [(0, True), (-1, False)])
def test_payload_and_environment_count_to_the_byte(make_service, left, fits):
    environment_bytes = len(b"\0".join(ENVIRONMENT))
    service = make_service(max_pending_bytes=ONE + environment_bytes + left)
    func = service.add_func()
    if fits:
        service.call(func, b"x" * 1000, environment=ENVIRONMENT)
    else:
        refused(service, func, payload=b"x" * 1000, environment=ENVIRONMENT)
        service.call(func, b"x" * 999, environment=ENVIRONMENT)


@pytest.mark.parametrize("outcome", [None, FAILED])
def test_call_that_has_ended_makes_room(make_service, outcome):
    service = make_service(max_pending_bytes=2 * ONE, max_all_pending_bytes=2 * ONE)
    func = service.add_func()
    calls = [service.call(func, b"x" * 1000) for _ in range(2)]
    service.run(calls[0])
    refused(service, func)  # a running call still has its payload
    service.end(calls[0], *([outcome] if outcome else []))
    service.call(func, b"x" * 1000)
    refused(service, func)


@pytest.mark.parametrize("force", [False, True])
def test_removed_func_makes_room(make_service, force):
    service = make_service(max_all_pending_bytes=2 * ONE)
    func, other = service.add_func(), service.add_func("other")
    for _ in range(2):
        call_id = service.call(func, b"x" * 1000)
        if not force:
            service.end(call_id)
    service.funcs.delete_func("hello", force=force)
    for _ in range(2):
        service.call(other, b"x" * 1000)
    refused(service, other)


def test_call_that_was_put_back_takes_its_room_once(make_real):
    real = make_real(max_pending_bytes=2 * ONE)
    func = real.add_func()
    for _ in range(2):
        real.call(func, b"x" * 1000)
    for _ in range(3):
        real.queue.release_call(real.reserve().token)
    refused(real, func)
    real.queue.end_call(real.reserve().token, FAILED)
    real.call(func, b"x" * 1000)


def test_call_whose_bytes_were_never_counted_ends_all_the_same(real, redis_client, whole_state):
    func = real.add_func()
    call_id = real.call(func, b"x" * 1000)
    redis_client.hdel(real.keys.call(call_id), "stored_bytes")  # as an older version stored it
    redis_client.hdel(real.keys.counts("hello"), "stored_bytes")
    redis_client.set(f"{real.keys.prefix}stored_bytes", 0)
    real.end(call_id)
    assert whole_state().get("stored_bytes") == b"0"


@pytest.fixture
def leave_behind(real, redis_client):
    """Leave bytes counted, as an older version does that ends calls without counting."""

    def leave(name: str = "hello") -> None:
        redis_client.hincrby(real.keys.counts(name), "stored_bytes", 2_000_000)
        redis_client.incrby(f"{real.keys.prefix}stored_bytes", 2_000_000)

    return leave


@pytest.mark.parametrize("bound", ["max_pending_bytes", "max_all_pending_bytes"])
def test_bytes_that_an_older_worker_left_counted_are_gone_with_the_next_call(
    make_real, leave_behind, whole_state, bound
):
    real = make_real(**{bound: ONE})
    func = real.add_func()
    real.end(real.call(func, b"x" * 1000))
    leave_behind()
    real.call(func, b"x" * 1000)
    whole_state()


def test_bytes_that_an_older_worker_left_counted_are_gone_with_the_last_end(
    real, leave_behind, whole_state
):
    func = real.add_func()
    calls = [real.call(func) for _ in range(2)]
    leave_behind()
    real.end(calls[0])
    real.end(calls[1])
    whole_state()


def test_bytes_that_an_older_worker_left_counted_are_gone_with_the_func(
    real, leave_behind, whole_state
):
    real.end(real.call(real.add_func()))
    leave_behind()
    real.funcs.delete_func("hello")
    assert whole_state().get("stored_bytes") == b"0"


@pytest.mark.parametrize("payload_bytes", [0, 1000, 5 * 1024, 40 * 1024 + 1, 640 * 1024, MEGABYTE])
def test_calls_take_a_quarter_more_memory_than_is_counted_at_most(
    real, redis_client, payload_bytes
):
    call_id = real.call(real.add_func(), b"x" * payload_bytes)
    counted = int(redis_client.get(f"{real.keys.prefix}stored_bytes"))
    assert redis_client.memory_usage(real.keys.call(call_id), samples=0) <= 1.26 * counted


def test_largest_call_has_room_at_the_least_bound_that_an_operator_can_choose(make_real):
    real = make_real(max_pending_bytes=2 * MEGABYTE, max_all_pending_bytes=2 * MEGABYTE)
    func = real.add_func()
    call_id = real.call(func, b"p" * MEGABYTE, environment=[b"A=" + b"x" * 65_000])
    real.end(call_id)
