"""The queue of calls with lost answers, and with many workers at once."""

from __future__ import annotations

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest

from dev.machine.waiting import PATIENCE_SECONDS
from funcsvc.model import CallCounts
from funcsvc.model.errors import StoreUnavailable
from tests.contract.calls import (
    ENDED,
    RealService,
    new_call,
    reserve_all,
)
from tests.contract.stores import STORE_SECONDS


@pytest.fixture
def fragile(make_real, real, func, proxy) -> RealService:
    """The stores behind the proxy, connected and with scripts loaded. The func hello exists."""
    service = make_real(proxy.url, seconds=STORE_SECONDS)
    real.call(func)
    token = service.reserve().token
    service.queue.release_call(token)
    real.run(next(real.calls.list_calls("hello")).id)
    call = next(real.calls.list_calls("hello"))
    real.end(call.id)
    real.calls.delete_call(call.id)
    service.queue.begin_call("warm-up", "", "")
    service.queue.end_call("warm-up", ENDED)
    service.queue.renew_leases([])
    service.queue.leave([])
    service.queue.adopt_call("warm-up")
    return service


def ask(action):
    """Do something to the queue. Repeat it if the store was unavailable, as a worker does."""
    try:
        return action()
    except StoreUnavailable:
        return action()


@pytest.mark.parametrize("fault", ["cut after", "cut before", "hush after"])
def test_reserve_whose_answer_is_lost_gives_the_call_when_asked_again(
    fragile, real, func, proxy, whole_state, fault
):
    made = [real.call(func) for _ in range(2)]
    proxy.fault = fault
    call = ask(lambda: fragile.queue.reserve_call("token"))
    assert (call.id, call.attempt) == (made[0], 1)
    assert set(whole_state().get("owners")) == {"token"}


@pytest.mark.parametrize("fault", ["cut after", "cut before", "hush after"])
def test_begin_and_end_whose_answers_are_lost_are_made_once(
    fragile, real, func, proxy, whole_state, fault
):
    call_id = real.call(func)
    call = fragile.reserve()
    proxy.fault = fault
    assert ask(lambda: fragile.queue.begin_call(call.token, "instance", "nonce"))
    assert fragile.queue.get_containers_in_use(["instance"]) == {"instance"}
    proxy.fault = fault
    ended = ask(lambda: fragile.queue.end_call(call.token, ENDED))
    assert ended == (fault == "cut before")
    assert real.calls.get_call("hello", call_id).output == b"out"
    assert real.event_names(func, call_id) == ["CALL", "PENDING", "RUNNING", "FINISHED"]
    whole_state()


@pytest.mark.parametrize("fault", ["cut after", "cut before", "hush after"])
def test_adopt_whose_answer_is_lost_gives_the_call_when_asked_again(
    fragile, real, func, proxy, whole_state, fault
):
    for _ in range(2):
        real.call(func)
        call, _ = real.begin()
        real.age(call.token, 1)
    proxy.fault = fault
    adopted = ask(lambda: fragile.queue.adopt_call("heir"))
    whole_state()
    assert fragile.queue.adopt_call("heir-2").id != adopted.id


def test_reserve_that_comes_after_all_is_undone_when_its_lease_ends(
    fragile, real, func, proxy, whole_state
):
    call_id = real.call(func)
    proxy.fault = "hold"
    with pytest.raises(StoreUnavailable):
        fragile.queue.reserve_call("token")
    proxy.release.set()
    assert proxy.done.wait(PATIENCE_SECONDS)
    assert set(whole_state().get("owners")) == {"token"}
    real.age("token", 1)
    assert real.queue.adopt_call("heir") is None
    assert real.reserve().id == call_id


def test_each_call_is_reserved_once_by_many_workers_at_once(real, func, make_real, whole_state):
    other = real.add_func("other")
    made = [real.call(one) for _ in range(200) for one in (func, other)]
    services = [make_real() for _ in range(8)]
    barrier = threading.Barrier(8)

    def work(service: RealService) -> list[str]:
        barrier.wait(PATIENCE_SECONDS)
        return reserve_all(service)

    with ThreadPoolExecutor(8) as workers:
        reserved = [call_id for ids in workers.map(work, services) for call_id in ids]
    assert Counter(reserved) == Counter(made)
    assert whole_state().get("owners")


def test_limit_holds_with_many_workers_while_calls_come_and_end(real, func, make_real, whole_state):
    services = [make_real() for _ in range(6)]
    running, most, lock = Counter(), Counter(), threading.Lock()
    ended: list[str] = []

    def work(service: RealService) -> None:
        while len(ended) < 120:
            call = service.queue.reserve_call(service.queue.new_token())
            if call is None:
                service.queue.wait_for_pending(0.1)
                continue
            with lock:
                running["hello"] += 1
                most["hello"] = max(most["hello"], running["hello"])
            service.queue.begin_call(call.token, call.token, "nonce")
            with lock:
                running["hello"] -= 1
            assert service.queue.end_call(call.token, ENDED)
            ended.append(call.id)

    with ThreadPoolExecutor(7) as pool:
        workers = [pool.submit(work, service) for service in services]
        for _ in range(120):
            real.calls.create_call(new_call(func, max_running=2))
        for worker in workers:
            worker.result()
    assert len(set(ended)) == 120
    assert 1 <= most["hello"] <= 2
    assert real.calls.get_counts("hello") == CallCounts(120, 0, 0, 120, 0)
    whole_state()
