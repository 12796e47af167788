"""All keys below a prefix, and the rules that must hold among them at any time."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import redis

from funcsvc.model import CallStatus

CALL_OVERHEAD_BYTES = 1024
EVENT_OVERHEAD_BYTES = 96
MAX_ROTATED = 10_000
MAX_WAKES = 64
DONE_MS = 10_000
KILLS_MS = 24 * 3600 * 1000

READERS = {
    "string": lambda pipe, key: pipe.get(key),
    "hash": lambda pipe, key: pipe.hgetall(key),
    "list": lambda pipe, key: pipe.lrange(key, 0, -1),
    "zset": lambda pipe, key: pipe.zrange(key, 0, -1, withscores=True),
    "stream": lambda pipe, key: pipe.xrange(key),
}
TYPES = {
    "func": "string",
    "call": "hash",
    "queue": "zset",
    "counts": "hash",
    "calls": "zset",
    "outputs": "zset",
    "rotated": "zset",
    "logs": "stream",
    "done": "list",
    "funcs": "zset",
    "arrivals": "string",
    "ready": "zset",
    "delayed": "zset",
    "removing": "zset",
    "stored_bytes": "string",
    "kills": "list",
    "running": "zset",
    "owners": "hash",
    "instances": "hash",
    "workers": "zset",
    "wake": "list",
    "service": "string",
    "image-removal": "string",
}
ACCEPTED = {"func", "number", "created_ms", "status", "attempt"}
WAITING = {*ACCEPTED, "payload", "environment", "stored_bytes"}
BEGUN = {*WAITING, "token", "engine", "instance", "nonce", "begun_ms"}
BEGUN_ONCE = {
    status: set() if status is CallStatus.PENDING else {"waited"} for status in CallStatus
}
FIELDS = {
    CallStatus.PENDING: [WAITING],
    CallStatus.RUNNING: [{*WAITING, "token"}, BEGUN],
    CallStatus.FINISHED: [{*ACCEPTED, "output", "failure", "message"}],
    CallStatus.FAILED: [{*ACCEPTED, "output", "failure", "message"}],
}


@dataclass(frozen=True)
class WholeState:
    """Every key below a prefix with its content. Keys and members are text, fields are bytes."""

    keys: dict[str, Any]
    lifetimes_ms: dict[str, int] = field(compare=False)

    def get(self, key: str) -> Any:
        """Return the content of a key, or an empty one if there is no such key."""
        return self.keys.get(key, {})

    def below(self, kind: str) -> dict[str, Any]:
        """Return the contents of the keys `kind:…` by the part after the colon."""
        start = f"{kind}:"
        found = self.keys.items()
        return {key.removeprefix(start): content for key, content in found if key.startswith(start)}

    @property
    def kinds(self) -> set[str]:
        """The kinds of keys that exist."""
        return {key.partition(":")[0] for key in self.keys}

    def statuses(self, func_name: str) -> dict[str, CallStatus]:
        """Return the status of each call of a func."""
        return {
            call_id: CallStatus(call["status"].decode())
            for call_id, call in self.below("call").items()
            if call["func"].decode() == func_name
        }


def read_whole_state(client: redis.Redis, prefix: str) -> WholeState:
    """Read all keys below a prefix. Each must have the type of its kind."""
    names = [key.decode().removeprefix(prefix) for key in client.scan_iter(f"{prefix}*", 1000)]
    with client.pipeline() as pipe:
        for name in names:
            READERS[TYPES[name.partition(":")[0]]](pipe, prefix + name)
            pipe.pttl(prefix + name)
        found = pipe.execute()  # raises if a key has another type
    contents = {name: _text_keys(found[2 * at]) for at, name in enumerate(names)}
    lifetimes = {name: found[2 * at + 1] for at, name in enumerate(names)}
    return WholeState(contents, lifetimes)


def _text_keys(content: Any) -> Any:
    if isinstance(content, dict):
        return {key.decode(): value for key, value in content.items()}
    if isinstance(content, list) and content and isinstance(content[0], tuple | list):
        if isinstance(content[0][1], float):
            return {member.decode(): score for member, score in content}
        return {position.decode(): fields for position, fields in content}
    return content


def check_whole_state(state: WholeState) -> None:
    """Assert every rule that must hold at any time."""
    _check_funcs(state)
    for name in state.get("funcs"):
        _check_calls(state, name)
        _check_counts(state, name)
        _check_outputs(state, name)
    _check_ready(state)
    _check_stored_bytes(state)
    _check_holds(state)
    _check_lifetimes(state)
    assert len(state.get("wake")) <= MAX_WAKES


def _check_funcs(state: WholeState) -> None:
    names = set(state.get("funcs"))
    assert set(state.below("func")) == names
    for kind in ("queue", "counts", "calls", "outputs", "rotated", "logs"):
        assert set(state.below(kind)) <= names, f"{kind} of a func that is gone"
    assert {call["func"].decode() for call in state.below("call").values()} <= names
    assert set(state.below("counts")) == set(state.below("logs"))


def _check_calls(state: WholeState, name: str) -> None:
    statuses, calls = state.statuses(name), state.below("call")
    numbers = {call_id: int(calls[call_id]["number"]) for call_id in statuses}
    assert state.get(f"calls:{name}") == numbers
    assert len(set(numbers.values())) == len(numbers)
    assert max(numbers.values(), default=0) <= int(state.get("arrivals") or 0)
    pending = {one for one, status in statuses.items() if status is CallStatus.PENDING}
    queue = state.get(f"queue:{name}")
    assert set(queue) | set(state.get("delayed")) & set(statuses) == pending
    assert not set(queue) & set(state.get("delayed"))
    assert all(score >= numbers[one] for one, score in queue.items())
    for call_id, status in statuses.items():
        fields = set(calls[call_id]) - BEGUN_ONCE[status]
        assert fields in FIELDS[status], (status, sorted(calls[call_id]))


def _check_counts(state: WholeState, name: str) -> None:
    counts = {field: int(number) for field, number in state.get(f"counts:{name}").items()}
    statuses = list(state.statuses(name).values())
    events = state.get(f"logs:{name}").values()
    fields = ("pending", "running", "finished", "failed")
    assert counts.get("total", 0) == sum(counts.get(field, 0) for field in fields)
    assert counts.get("pending", 0) == statuses.count(CallStatus.PENDING)
    assert counts.get("running", 0) == statuses.count(CallStatus.RUNNING)
    assert counts.get("finished", 0) >= statuses.count(CallStatus.FINISHED)
    assert counts.get("failed", 0) >= statuses.count(CallStatus.FAILED)
    assert counts.get("log_bytes", 0) == sum(map(event_bytes, events))


def event_bytes(fields: dict[bytes, bytes]) -> int:
    """Return how many bytes an event counts for."""
    return EVENT_OVERHEAD_BYTES + sum(len(key) + len(value) for key, value in fields.items())


def _check_outputs(state: WholeState, name: str) -> None:
    statuses, calls = state.statuses(name), state.below("call")
    ended = {one for one, status in statuses.items() if status.has_ended}
    assert set(state.get(f"outputs:{name}")) == ended
    kept = sum(len(calls[one]["output"]) + CALL_OVERHEAD_BYTES for one in ended)
    assert int(state.get(f"counts:{name}").get("output_bytes", 0)) == kept
    rotated = set(state.get(f"rotated:{name}"))
    assert not rotated & set(statuses)
    assert len(rotated) <= MAX_ROTATED


def _check_ready(state: WholeState) -> None:
    expected = {}
    for name, queue in state.below("queue").items():
        counts = state.get(f"counts:{name}")
        limit = int(counts["limit"])
        if limit == 0 or int(counts.get("running", 0)) < limit:
            expected[name] = min(queue.values())
    assert state.get("ready") == expected


def _check_stored_bytes(state: WholeState) -> None:
    by_func: dict[str, int] = dict.fromkeys(state.below("counts"), 0)
    for call in state.below("call").values():
        if "payload" in call:
            bytes_of_call = len(call["payload"]) + len(call["environment"]) + CALL_OVERHEAD_BYTES
            assert int(call["stored_bytes"]) == bytes_of_call
            by_func[call["func"].decode()] += bytes_of_call
    for name, stored_bytes in by_func.items():
        assert int(state.get(f"counts:{name}").get("stored_bytes", 0)) == stored_bytes
    assert int(state.get("stored_bytes") or 0) == sum(by_func.values())


def _check_holds(state: WholeState) -> None:
    calls = state.below("call")
    running = {
        call_id: call
        for call_id, call in calls.items()
        if call["status"] == CallStatus.RUNNING.encode()
    }
    assert set(state.get("running")) == set(running)
    owners = {call["token"].decode(): call_id.encode() for call_id, call in running.items()}
    assert state.get("owners") == owners
    assert len(owners) == len(running)
    instances = {
        call["instance"].decode(): call_id.encode()
        for call_id, call in running.items()
        if "instance" in call
    }
    assert state.get("instances") == instances


def _check_lifetimes(state: WholeState) -> None:
    for key, lifetime_ms in state.lifetimes_ms.items():
        if key.startswith("done:"):
            assert 0 <= lifetime_ms <= DONE_MS
            assert state.keys[key] in ([b"ended"], [b"removed"])
        elif key.startswith("kills:"):
            assert 0 <= lifetime_ms <= KILLS_MS
        else:
            assert lifetime_ms == -1, f"{key} expires"
