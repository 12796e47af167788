"""The queue of calls as a worker sees it: reserved, begun, ended, released, taken over.

Every change names the token of the hold that it is made under; a late owner changes nothing.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any
from uuid import uuid4

from funcsvc.config import Settings
from funcsvc.model import BegunCall, Outcome, ReservedCall
from funcsvc.store.blocking import BlockingClient, block_seconds
from funcsvc.store.calls import ENVIRONMENT_SEPARATOR
from funcsvc.store.client import Argument, RedisClient
from funcsvc.store.keys import RedisKeys
from funcsvc.store.scripts import get_script

ENGINE_GONE = "The engine that ran the function is gone, and nobody can say how it ended."


class CallQueue:
    """The queue of one worker on one engine. Every method may raise StoreUnavailable.

    Each may be called again after that: what was carried out is not carried out twice.
    """

    def __init__(
        self, client: RedisClient, blocking: BlockingClient, settings: Settings, engine: str
    ) -> None:
        self._client = client
        self._blocking = blocking
        self._settings = settings
        self._keys = RedisKeys(settings.redis_prefix)
        self._lease_ms = int(settings.lease_seconds * 1000)
        self.engine = engine
        self.worker = uuid4().hex[:12]
        self._numbers = itertools.count(1)

    @property
    def member(self) -> str:
        """How this worker stands among the others."""
        return f"{self.worker}@{self.engine}"

    def new_token(self) -> str:
        """Return a token for a hold to come, which no other has."""
        return f"{self.worker}-{next(self._numbers)}"

    def reserve_call(self, token: str) -> ReservedCall | None:
        """Take the oldest pending call that may run, if any.

        Asked again with a token that holds a call, that call is given again.
        """
        arguments: list[Argument] = [token, self._lease_ms, self._settings.max_log_bytes]
        found = self._run("reserve_call", arguments)
        if found is None:
            return None
        call_id, definition, attempt, environment, payload = found
        return ReservedCall(
            id=str(call_id, "utf-8"),
            token=token,
            definition=str(definition, "utf-8"),
            attempt=attempt,
            environment=environment.split(ENVIRONMENT_SEPARATOR) if environment else (),
            payload=payload,
        )

    def wait_for_call(self, seconds: float) -> None:
        """Return when a call may have come, or after `seconds` at the latest; or sooner."""
        wake = [self._keys.wake]
        self._blocking.run(lambda client: client.blpop(wake, block_seconds(seconds)))

    def begin_call(self, token: str, instance: str, nonce: str, *, waited: bool = False) -> bool:
        """Note the container that a call's frame is about to be sent to; False: it isn't ours.

        `waited` is whether it was made ahead of the call.
        """
        arguments: list[Argument] = [token, self.engine, instance, nonce, int(waited)]
        return bool(self._run("begin_call", arguments) == b"begun")

    def end_call(self, token: str, outcome: Outcome) -> bool:
        """Record how a call ended; False: it isn't ours, or was recorded before."""
        arguments: list[Argument] = [
            token,
            outcome.output,
            outcome.short_stdout,
            outcome.short_stderr,
            outcome.failure or "",
            outcome.message,
            self._settings.max_outputs_bytes,
            self._settings.max_log_bytes,
        ]
        return bool(self._run("end_call", arguments) == b"ended")

    def release_call(self, token: str) -> bool:
        """Put a call that can't have begun back to where it was; False: it isn't ours."""
        arguments: list[Argument] = [token, self._settings.max_log_bytes]
        return bool(self._run("release_call", arguments) == b"released")

    def renew_leases(self, tokens: Sequence[str]) -> set[str]:
        """Renew the leases of this worker and of its holds; return the tokens that hold nothing."""
        arguments: list[Argument] = [self.member, self._lease_ms, *tokens]
        lost = self._run("renew_leases", arguments)
        return {str(token, "utf-8") for token in lost}

    def leave(self, tokens: Sequence[str]) -> None:
        """End as a worker; what the tokens hold may be taken over at once."""
        self._run("leave", [self.member, *tokens])

    def adopt_call(self, token: str) -> BegunCall | None:
        """Take over a call of this engine whose worker is gone, if any.

        Calls of others that can't have begun go back to the queue; those whose engine has no worker
        any more end.
        """
        arguments: list[Argument] = [
            token,
            self.engine,
            self._lease_ms,
            int(self._settings.engine_gone_seconds * 1000),
            ENGINE_GONE,
            self._settings.max_outputs_bytes,
            self._settings.max_log_bytes,
        ]
        found = self._run("adopt_call", arguments)
        if found is None:
            return None
        call_id, definition, attempt, instance, nonce, running_ms = found
        return BegunCall(
            id=str(call_id, "utf-8"),
            token=token,
            definition=str(definition, "utf-8"),
            attempt=attempt,
            instance=str(instance, "utf-8"),
            nonce=str(nonce, "utf-8"),
            running_ms=running_ms,
        )

    def get_definitions(self, names: Sequence[str]) -> dict[str, str]:
        """Return the definitions of those of the names that are there."""
        found = self._client.get_many([self._keys.func(name) for name in names])
        return {name: text for name, text in zip(names, found, strict=True) if text is not None}

    def get_service(self) -> str:
        """Return the name that this service's containers are labelled with."""
        key = self._keys.service
        if self._client.get(key) is None:  # a Redis that is full takes no SET, not even this one
            self._client.read(lambda client: client.set(key, uuid4().hex, nx=True))
        return str(self._client.get(key))

    def get_live_workers(self) -> set[str]:
        """Return the workers whose lease hasn't ended, without their engines."""
        key = self._keys.workers
        seconds, microseconds = self._client.read(lambda client: client.time())
        now_ms = int(seconds) * 1000 + int(microseconds) // 1000
        found = self._client.read(lambda client: client.zrangebyscore(key, now_ms, "+inf"))
        return {str(member, "utf-8").partition("@")[0] for member in found}

    def get_instances_in_use(self, names: Sequence[str]) -> set[str]:
        """Return those of the containers in which a call may have begun that hasn't ended."""
        if not names:
            return set()
        found = self._client.read(lambda client: client.hmget(self._keys.instances, *names))
        return {name for name, call_id in zip(names, found, strict=True) if call_id is not None}

    def _run(self, name: str, arguments: Sequence[Argument]) -> Any:
        return self._client.run(get_script(name, self._keys), arguments)
