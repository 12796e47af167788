"""The catalogue of keys in Redis. No key is spelled anywhere else.

| key | type | lifetime | content |
| --- | --- | --- | --- |
| `<prefix>func:<name>` | string | until the func is deleted | the func's definition, as the JSON text that clients get |
| `<prefix>funcs` | sorted set | permanent | the names of all funcs, scored by creation time in ms |
| `<prefix>call:<id>` | hash | until its output is delivered or rotated away, or the func is deleted | one call: func, status, attempt; payload, environment and their bytes until it ends; token, container and nonce while it runs; output, failure and message once it has ended |
| `<prefix>queue:<name>` | sorted set | while the func has pending calls | the ids of its pending calls that aren't delayed, scored by arrival number |
| `<prefix>calls:<name>` | sorted set | while the func has calls | the ids of all its stored calls, scored by arrival number |
| `<prefix>outputs:<name>` | sorted set | while the func has ended calls | the ids of its ended calls, scored by the order in which they ended |
| `<prefix>rotated:<name>` | sorted set | until the func is deleted | the ids of the last 10,000 calls whose output was rotated away, scored like `outputs` |
| `<prefix>counts:<name>` | hash | until the func is deleted | the number of its calls, in all and by status; the bytes of its payloads, outputs and events; its limit of running calls |
| `<prefix>logs:<name>` | stream | until the func is deleted | its events; the oldest are dropped beyond `FUNCSVC_MAX_LOG_BYTES` |
| `<prefix>done:<id>` | list | 10 s from the end of the call, or until its output is delivered | one element, for which requests wait: `ended`, or `removed` if the call was removed before its end |
| `<prefix>kills:<engine>` | list | until a worker has killed them, at most a day | the containers on that engine whose calls were removed while they ran |
| `<prefix>arrivals` | string | permanent | the arrival number of the newest call, counted over all funcs |
| `<prefix>stored_bytes` | string | permanent | the bytes of the payloads and environments of all calls that haven't ended |
| `<prefix>ready` | sorted set | while a func is ready | the funcs that have calls in their queue and are below their limit, scored by the arrival number of the oldest one |
| `<prefix>delayed` | sorted set | while pending calls are delayed | the ids of pending calls that were put back, scored by when they go to their func's queue again, in ms |
| `<prefix>running` | sorted set | while calls run | the ids of all running calls, scored by the end of their lease in ms |
| `<prefix>owners` | hash | while calls run | the id of the call that each token holds |
| `<prefix>instances` | hash | while calls run | the id of the call that might have begun in each container, by the container's name |
| `<prefix>workers` | sorted set | each member until the worker stops, or 10 times `FUNCSVC_ENGINE_GONE_SECONDS`, at least 10 min, after its lease | `<worker>@<engine>`, scored by the end of the worker's lease in ms |
| `<prefix>wake` | list | while it has elements, at most 64 | each element wakes one worker that waits for a call |
| `<prefix>attempts/…` | string | the window of `FUNCSVC_FAILED_ATTEMPTS` | the number of failed attempts to show an access key, by the client address and known key that hash to this counter, of 65,536 |
| `<prefix>removing` | sorted set | while calls of deleted funcs are removed | the names of those funcs, scored by when they were deleted, in ms |
| `<prefix>image_removal:<image id>` | string | while the image is being removed, and `FUNCSVC_ENGINE_REMEMBER_SECONDS` after | no func may be defined with this image |
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

    def kills(self, engine: str) -> str:
        """The containers on one engine that are to be killed."""
        return f"{self.prefix}kills:{engine}"

    @property
    def removing(self) -> str:
        """The deleted funcs whose calls are being removed."""
        return f"{self.prefix}removing"

    @property
    def wake(self) -> str:
        """The list that wakes workers."""
        return f"{self.prefix}wake"

    @property
    def instances(self) -> str:
        """The containers in which a call might have begun."""
        return f"{self.prefix}instances"

    def image_removal(self, image_id: str) -> str:
        """What is there while an image is being removed."""
        return f"{self.prefix}image_removal:{image_id}"

    @property
    def workers(self) -> str:
        """The workers and the ends of their leases."""
        return f"{self.prefix}workers"

    @property
    def for_scripts(self) -> dict[str, str]:
        """The names that scripts use, each with its key or the beginning of such keys."""
        return {
            **{kind.upper(): f"{self.prefix}{kind}:" for kind in _KINDS},
            **{one.upper(): self.prefix + one for one in _SINGLE},
        }


_KINDS = (
    *("func", "call", "queue", "counts", "calls", "outputs", "rotated", "logs", "done", "kills"),
    "image_removal",
)
_SINGLE = (
    *("arrivals", "ready", "delayed", "running", "owners", "instances", "workers", "wake", "funcs"),
    *("removing", "stored_bytes"),
)
