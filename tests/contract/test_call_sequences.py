"""Random sequences of changes to calls, on a real Redis and on a model of it."""

from __future__ import annotations

import itertools
import time

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from funcsvc.model import CallCounts, CallStatus, Failure, Func, NewCall, Outcome
from funcsvc.model.errors import CallNotFound, CallRemoved, FuncBusy, OutputRotated
from funcsvc.store.queue import ENGINE_GONE
from tests.contract.call_model import CallModel, ModelFunc
from tests.contract.calls import RealService, new_call
from tests.contract.whole_state import CALL_OVERHEAD_BYTES, check_whole_state, read_whole_state

FUNC_NAMES = ["a", "b", "c"]
ENGINES = ["here", "there"]
MAX_OUTPUTS_BYTES = 3 * (CALL_OVERHEAD_BYTES + 100)
LEASE_SECONDS = 3600.0
AGES = st.sampled_from([1, 3600])

func_names = st.sampled_from(FUNC_NAMES)
engines = st.sampled_from(ENGINES)
outcomes = st.builds(
    Outcome,
    output=st.sampled_from([b"", b"x" * 100, b"x" * 900]),
    failure=st.sampled_from([None, None, Failure.FAILED]),
)


class CallMachine(RuleBasedStateMachine):
    """Each step changes Redis through the store, and the model in the same way."""

    service: RealService

    def __init__(self, make_service) -> None:
        super().__init__()
        self.service, self.redis_client = make_service()
        self.model = CallModel(MAX_OUTPUTS_BYTES)
        self.queues = {engine: self.service.new_queue(engine) for engine in ENGINES}
        self.funcs: dict[str, Func] = {}
        self.requests: dict[str, NewCall] = {}
        self.instances, self.leases_ended = itertools.count(), itertools.count()
        self.owners: dict[str, str] = {}
        self.kills: dict[str, set[str]] = {engine: set() for engine in ENGINES}

    def teardown(self) -> None:
        self.service.close()

    def state(self):
        return read_whole_state(self.redis_client, self.service.keys.prefix)

    def pick(self, data, choices):
        """Choose by index, because names differ from run to run."""
        return list(choices)[data.draw(st.integers(0, len(choices) - 1))]

    @rule(name=func_names, limit=st.sampled_from([0, 0, 1, 2]), payload=st.binary(max_size=3))
    def create_call(self, name, limit, payload) -> None:
        if name not in self.funcs:
            self.funcs[name] = self.service.add_func(name)
            self.model.funcs[name] = ModelFunc()
        call_id = f"call-{len(self.requests):04}"
        call = new_call(self.funcs[name], id=call_id, payload=payload, max_running=limit)
        self.service.calls.create_call(call)
        self.requests[call.id] = call
        self.model.create(call.id, name, limit)

    @precondition(lambda self: self.model.calls)
    @rule(data=st.data())
    def create_call_again(self, data) -> None:
        self.service.calls.create_call(self.requests[self.pick(data, self.model.calls)])

    @rule(engine=engines)
    def reserve_call(self, engine) -> None:
        queue = self.queues[engine]
        token = queue.new_token()
        self.model.queue_due(list(self.state().get("delayed")))
        expected = self.model.next_call()
        found = queue.reserve_call(token)
        assert (found and found.id) == (expected and expected.id)
        if found and expected:
            self.model.reserve(expected, token)
            assert (found.attempt, found.payload) == (
                expected.attempt,
                self.requests[found.id].payload,
            )
            assert f'"Name": "{expected.func}"' in found.definition
            self.owners[token] = engine

    @precondition(lambda self: self.model.held)
    @rule(data=st.data())
    def reserve_call_again(self, data) -> None:
        token = self.pick(data, self.model.held)
        call = self.model.held[token]
        if call.engine:
            return  # after a call has begun, no worker asks for it again
        assert self.queues[self.owners[token]].reserve_call(token).id == call.id
        call.lease_age = None

    @precondition(lambda self: self.model.held)
    @rule(data=st.data())
    def begin_call(self, data) -> None:
        token = self.pick(data, self.model.held)
        engine = self.owners[token]
        assert self.queues[engine].begin_call(token, f"i-{next(self.instances)}", "nonce")
        self.model.held[token].engine = engine

    @precondition(lambda self: self.model.held)
    @rule(data=st.data())
    def release_call(self, data) -> None:
        token = self.pick(data, self.model.held)
        assert self.queues[self.owners[token]].release_call(token)
        self.model.release(self.model.held[token])

    @precondition(lambda self: self.model.held)
    @rule(data=st.data(), outcome=outcomes)
    def end_call(self, data, outcome) -> None:
        token = self.pick(data, self.model.held)
        assert self.queues[self.owners[token]].end_call(token, outcome)
        self.model.end(self.model.held[token], outcome)

    @precondition(lambda self: self.model.dropped)
    @rule(data=st.data(), outcome=outcomes)
    def come_late(self, data, outcome) -> None:
        token = self.pick(data, self.model.dropped)
        queue = self.queues[self.owners[token]]
        assert not queue.begin_call(token, "late", "late")
        assert not queue.end_call(token, outcome)
        assert not queue.release_call(token)

    @precondition(lambda self: self.model.held)
    @rule(data=st.data(), seconds=AGES)
    def let_a_lease_end(self, data, seconds) -> None:
        token = self.pick(data, self.model.held)
        engine = self.owners[token]
        seconds += next(self.leases_ended)  # no two leases end in the same millisecond
        self.service.age(token, seconds, self.queues[engine])
        self.model.held[token].lease_age = seconds
        self.model.worker_ages[engine] = seconds

    @rule(engine=engines)
    def renew_leases(self, engine) -> None:
        tokens = [token for token, its_engine in self.owners.items() if its_engine == engine]
        assert self.queues[engine].renew_leases(tokens) == set(tokens) & set(self.model.dropped)
        self.model.worker_ages[engine] = -1
        for token in set(tokens) & set(self.model.held):
            self.model.held[token].lease_age = None

    @rule(engine=engines)
    def leave(self, engine) -> None:
        tokens = [token for token, its_engine in self.owners.items() if its_engine == engine]
        time.sleep(0.002)  # so that it leaves in a later millisecond
        self.queues[engine].leave(tokens)
        self.model.worker_ages.pop(engine, None)
        for token in set(tokens) & set(self.model.held):
            self.model.held[token].lease_age = 0

    @rule(engine=engines)
    def adopt_call(self, engine) -> None:
        token = self.queues[engine].new_token()
        order = list(self.state().get("running"))
        gone = Outcome(failure=Failure.FAILED, message=ENGINE_GONE)
        self.owners[token] = engine
        expected = self.model.adopt(engine, token, order, gone)
        found = self.queues[engine].adopt_call(token)
        assert (found and found.id) == (expected and expected.id)
        if found is None:
            del self.owners[token]
            return
        again = self.queues[engine].adopt_call(token)
        assert (again.id, again.container) == (found.id, found.container)

    @precondition(lambda self: self.requests)
    @rule(data=st.data())
    def delete_call(self, data) -> None:
        call_id = self.pick(data, self.requests)
        self.service.calls.delete_call(call_id)
        self.model.delete_call(call_id)

    @precondition(lambda self: self.funcs)
    @rule(data=st.data(), force=st.booleans())
    def delete_func(self, data, force) -> None:
        name = self.pick(data, self.funcs)
        begun = {call.id: call for call in self.model.of(name, CallStatus.RUNNING) if call.engine}
        for instance, call_id in self.state().get("instances").items():
            if force and call_id.decode() in begun:
                self.kills[begun[call_id.decode()].engine].add(instance)
        if self.model.delete_func(name, force=force):
            self.service.funcs.delete_func(name, force=force)
            del self.funcs[name]
        else:
            with pytest.raises(FuncBusy):
                self.service.funcs.delete_func(name)

    @rule(engine=engines)
    def kill_next(self, engine) -> None:
        container = self.queues[engine].wait_for_kill(0.001)
        assert (container is None) == (not self.kills[engine])
        if container is not None:
            self.kills[engine].remove(container)
            self.queues[engine].forget_kill(container)

    @precondition(lambda self: self.requests)
    @rule(data=st.data())
    def get_call(self, data) -> None:
        call_id = self.pick(data, self.requests)
        name = self.requests[call_id].func_name
        if call := self.model.calls.get(call_id):
            found = self.service.calls.get_call(name, call_id)
            assert (found.status, found.output) == (call.status, call.output)
            return
        is_rotated = name in self.model.funcs and call_id in self.model.funcs[name].rotated
        with pytest.raises(OutputRotated if is_rotated else (CallNotFound, CallRemoved)) as caught:
            self.service.calls.get_call(name, call_id)
        assert caught.type is not CallRemoved or call_id in self.model.removed

    @rule(name=func_names)
    def look_at_counts_and_list(self, name) -> None:
        func = self.model.funcs.get(name) or ModelFunc()
        pending, running = (
            len(self.model.of(name, status)) for status in (CallStatus.PENDING, CallStatus.RUNNING)
        )
        finished, failed = (func.counts[one] for one in (CallStatus.FINISHED, CallStatus.FAILED))
        total = pending + running + finished + failed
        expected = CallCounts(total, pending, running, finished, failed)
        assert self.service.calls.get_counts(name) == expected
        listed = [call.id for call in self.service.calls.list_calls(name)]
        assert listed == [call.id for call in self.model.of(name, *CallStatus)]

    @invariant()
    def redis_holds_what_the_model_holds(self) -> None:
        state = self.state()
        check_whole_state(state)
        self.model.check(state)


def test_any_sequence_leaves_redis_as_the_model_says(redis_url, redis_client, redis_prefix):
    numbers = itertools.count()

    def make_service():
        prefix = f"{redis_prefix}{next(numbers)}:"
        service = RealService(
            redis_url,
            prefix,
            max_outputs_bytes=MAX_OUTPUTS_BYTES,
            lease_seconds=LEASE_SECONDS,
        )
        return service, redis_client

    run_state_machine_as_test(
        lambda: CallMachine(make_service),
        settings=settings(
            max_examples=25,
            stateful_step_count=40,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
