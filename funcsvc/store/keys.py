"""The catalogue of keys in Redis. No key is spelled anywhere else.

| key | type | lifetime | content |
| --- | --- | --- | --- |
| `<prefix>func:<name>` | string | until the func is deleted | the func's definition, as the JSON text that clients get |
| `<prefix>funcs` | sorted set | permanent | the names of all funcs, scored by creation time in ms |
| `<prefix>call:<id>` | hash | until its output is delivered or rotated away, or the func is deleted | one call: func, status, attempt; payload and environment until it ends; token, container and nonce while it runs; output, failure and message once it has ended |
| `<prefix>queue:<name>` | sorted set | while the func has pending calls | the ids of its pending calls, scored by arrival number |
| `<prefix>calls:<name>` | sorted set | while the func has calls | the ids of all its stored calls, scored by arrival number |
| `<prefix>outputs:<name>` | sorted set | while the func has ended calls | the ids of its ended calls, scored by the order in which they ended |
| `<prefix>rotated:<name>` | sorted set | until the func is deleted | the ids of the last 10,000 calls whose output was rotated away, scored like `outputs` |
| `<prefix>counts:<name>` | hash | until the func is deleted | the number of its calls, in all and by status; the bytes of its outputs and of its events; its limit of running calls |
| `<prefix>logs:<name>` | stream | until the func is deleted | its events; the oldest are dropped beyond `FUNCSVC_MAX_LOG_BYTES` |
| `<prefix>done:<id>` | list | 10 s from the end of the call, or until its output is delivered | one element, for which requests wait until the call has ended |
| `<prefix>arrivals` | string | permanent | the arrival number of the newest call, counted over all funcs |
| `<prefix>ready` | sorted set | while a func is ready | the funcs that have pending calls and are below their limit, scored by the arrival number of the oldest one |
| `<prefix>running` | sorted set | while calls run | the ids of all running calls, scored by the end of their lease in ms |
| `<prefix>owners` | hash | while calls run | the id of the call that each token holds |
| `<prefix>instances` | hash | while calls run | the id of the call that might have begun in each container, by the container's name |
| `<prefix>workers` | sorted set | each member until the worker stops, or 10 times `FUNCSVC_ENGINE_GONE_SECONDS`, at least 10 min, after its lease | `<worker>@<engine>`, scored by the end of the worker's lease in ms |
| `<prefix>wake` | list | while it has elements, at most 64 | each element wakes one worker that waits for a call |
| `<prefix>attempts/…` | string | the window of `FUNCSVC_FAILED_ATTEMPTS` | the number of failed attempts by one client address to show an access key |
| `<prefix>service` | string | permanent | a random name for this service, with which its containers are labelled |

`<prefix>` is `FUNCSVC_REDIS_PREFIX`, by default `funcsvc:`. Each script changes a func together
with its index, or a call together with its queue, counts and events, so they always agree.
"""  # noqa: E501  # a table's row is one line

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RedisKeys:
    """The keys with one prefix, such as `funcsvc:`."""

    prefix: str

    def func(self, name: str) -> str:
        """The definition of one func."""
        return f"{self.prefix}func:{name}"

    @property
    def attempts(self) -> str:
        """What the keys of failed attempts begin with; the limits library adds the rest."""
        return f"{self.prefix}attempts"

    @property
    def funcs(self) -> str:
        """The index of all funcs, by creation time."""
        return f"{self.prefix}funcs"

    @property
    def service(self) -> str:
        """The name that the containers of this service are labelled with."""
        return f"{self.prefix}service"

    def call(self, call_id: str) -> str:
        """One call."""
        return f"{self.prefix}call:{call_id}"

    def counts(self, name: str) -> str:
        """The counts of a func's calls."""
        return f"{self.prefix}counts:{name}"

    def calls(self, name: str) -> str:
        """The ids of a func's stored calls."""
        return f"{self.prefix}calls:{name}"

    def rotated(self, name: str) -> str:
        """The ids of a func's calls whose output was rotated away."""
        return f"{self.prefix}rotated:{name}"

    def logs(self, name: str) -> str:
        """The events of a func."""
        return f"{self.prefix}logs:{name}"

    def done(self, call_id: str) -> str:
        """The list that wakes requests that wait for a call."""
        return f"{self.prefix}done:{call_id}"

    @property
    def wake(self) -> str:
        """The list that wakes workers."""
        return f"{self.prefix}wake"

    @property
    def instances(self) -> str:
        """The containers in which a call might have begun."""
        return f"{self.prefix}instances"

    @property
    def workers(self) -> str:
        """The workers and the ends of their leases."""
        return f"{self.prefix}workers"

    @property
    def for_scripts(self) -> dict[str, str]:
        """The names that scripts use, each with its key or the beginning of such keys."""
        kinds = ("func", "call", "queue", "counts", "calls", "outputs", "rotated", "logs", "done")
        single = ("arrivals", "ready", "running", "owners", "instances", "workers", "wake", "funcs")
        return {
            **{kind.upper(): f"{self.prefix}{kind}:" for kind in kinds},
            **{one.upper(): self.prefix + one for one in single},
        }
