"""Every key in Redis: its pattern, type, lifetime and meaning. No key is spelled anywhere else.

| key | type | lives | meaning |
| --- | --- | --- | --- |
| `<prefix>func:<name>` | string | until the func is deleted | its definition, the JSON that a create answered |
| `<prefix>funcs` | sorted set | for ever | the names of all funcs, scored by time of creation in ms |
| `<prefix>attempts/…` | string | the window of the limit | failed attempts of one address to show an access key |
| `<prefix>call:<id>` | hash | until it was answered, its output rotated away, or its func deleted | one call: status, payload while it hasn't ended, output once it has |
| `<prefix>queue:<name>` | sorted set | while calls of the func are pending | their ids, scored by number of arrival |
| `<prefix>counts:<name>` | hash | until the func is deleted | calls in each status, bytes of outputs and of events, the func's limit |
| `<prefix>calls:<name>` | sorted set | while there are calls of the func | ids of all calls that are stored, scored by number of arrival |
| `<prefix>outputs:<name>` | sorted set | while there are ended calls of the func | their ids, scored by number of end |
| `<prefix>rotated:<name>` | sorted set | until the func is deleted | ids of the last calls whose output was rotated away, scored by number of end |
| `<prefix>logs:<name>` | stream | until the func is deleted | its events, the oldest dropped beyond a bound in bytes |
| `<prefix>done:<id>` | list | 10 s after the call ended, or until it is answered | one element: wakes who waits for the call |
| `<prefix>arrivals` | string | for ever | the number of the last call that came |
| `<prefix>ready` | sorted set | while calls are pending | funcs with a pending call and below their limit, scored by the number of the oldest |
| `<prefix>running` | sorted set | while calls run | their ids, scored by the end of their lease in ms |
| `<prefix>owners` | hash | while calls run | the token of each hold on a call to the call's id |
| `<prefix>instances` | hash | while calls run | the name of each container in which a call may have begun to the call's id |
| `<prefix>workers` | sorted set | while workers live | `<worker>@<engine>`, scored by the end of its lease in ms |
| `<prefix>wake` | list | at most 64 elements | wakes workers that wait for a call |
| `<prefix>service` | string | for ever | a random name of all this, which the containers are labelled with |

A func and its index are changed in one script, so that neither is ever there without the other; so
are a call, the queue, the counts and the events.
"""  # noqa: E501  # a table's row is one line

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RedisKeys:
    """The keys below one prefix, such as `funcsvc:`."""

    prefix: str

    def func(self, name: str) -> str:
        """The definition of one func."""
        return f"{self.prefix}func:{name}"

    @property
    def attempts(self) -> str:
        """What the keys of counted attempts begin with; the limits library puts the rest."""
        return f"{self.prefix}attempts"

    @property
    def funcs(self) -> str:
        """The index of all funcs, by time of creation."""
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
        """The ids of a func's calls."""
        return f"{self.prefix}calls:{name}"

    def rotated(self, name: str) -> str:
        """The ids of a func's calls whose output was rotated away."""
        return f"{self.prefix}rotated:{name}"

    def logs(self, name: str) -> str:
        """The events of a func."""
        return f"{self.prefix}logs:{name}"

    def done(self, call_id: str) -> str:
        """What wakes who waits for a call."""
        return f"{self.prefix}done:{call_id}"

    @property
    def wake(self) -> str:
        """What wakes workers."""
        return f"{self.prefix}wake"

    @property
    def instances(self) -> str:
        """The containers in which a call may have begun."""
        return f"{self.prefix}instances"

    @property
    def workers(self) -> str:
        """The workers that live."""
        return f"{self.prefix}workers"

    @property
    def for_scripts(self) -> dict[str, str]:
        """What the scripts name: keys, and what keys of one kind begin with."""
        kinds = ("func", "call", "queue", "counts", "calls", "outputs", "rotated", "logs", "done")
        single = ("arrivals", "ready", "running", "owners", "instances", "workers", "wake", "funcs")
        return {
            **{kind.upper(): f"{self.prefix}{kind}:" for kind in kinds},
            **{one.upper(): self.prefix + one for one in single},
        }
