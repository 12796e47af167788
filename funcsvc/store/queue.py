"""The queue of calls as a worker sees it: reserved, begun, ended, released, taken over.

Every change names the token that holds the call, so a late owner changes nothing.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any
from uuid import uuid4

from funcsvc.config import Settings
from funcsvc.model import BegunCall, Outcome, ReservedCall
from funcsvc.store.calls import ENVIRONMENT_SEPARATOR
from funcsvc.store.client import RedisClient
from funcsvc.store.keys import RedisKeys
from funcsvc.store.removals import Removals
from funcsvc.store.scripts import Argument, get_script

FIRST_DELAY_MS = 1000
"""How long a call that was put back after its first attempt is delayed."""

ENGINE_GONE = "The engine that ran the function is gone, so it isn't known how the function ended."


class RedisCallQueue:
    """A CallQueue over Redis."""

    def __init__(
        self,
        client: RedisClient,
        settings: Settings,
        engine: str,
        first_delay_ms: int = FIRST_DELAY_MS,
    ) -> None:
        self._client = client
        self._settings = settings
        self._keys = RedisKeys(settings.redis_prefix)
        self._removals = Removals(client, self._keys)
        self._first_delay_ms = first_delay_ms
        self._lease_ms = int(settings.lease_seconds * 1000)
        self.engine = engine
        self._numbers = itertools.count(1)
        self.worker = uuid4().hex[:12]

    @property
    def member(self) -> str:
        return f"{self.worker}@{self.engine}"

    def new_token(self) -> str:
        return f"{self.worker}-{next(self._numbers)}"

    def reserve_call(self, token: str, with_share: Sequence[str] = ()) -> ReservedCall | None:
        max_log_bytes = self._settings.max_log_bytes
        found = self._run("reserve_call", token, self._lease_ms, max_log_bytes, *with_share)
        if found is None:
            return None
        call_id, func_name, definition, attempt, environment, payload = found
        return ReservedCall(
            id=str(call_id, "utf-8"),
            func_name=str(func_name, "utf-8"),
            token=token,
            definition=str(definition, "utf-8"),
            attempt=attempt,
            environment=environment.split(ENVIRONMENT_SEPARATOR) if environment else (),
            payload=payload,
        )

    def wait_for_pending(self, seconds: float) -> None:
        self._client.wait(lambda client, block: client.blpop([self._keys.wake], block), seconds)

    def begin_call(self, token: str, container: str, nonce: str, *, waited: bool = False) -> bool:
        verdict = self._run("begin_call", token, self.engine, container, nonce, int(waited))
        return bool(verdict == b"begun")

    def end_call(self, token: str, outcome: Outcome) -> bool:
        verdict = self._run(
            "end_call",
            token,
            outcome.output,
            outcome.short_stdout,
            outcome.short_stderr,
            outcome.failure or "",
            outcome.message,
            self._settings.max_outputs_bytes,
            self._settings.max_log_bytes,
        )
        return bool(verdict == b"ended")

    def release_call(self, token: str) -> bool:
        max_log_bytes = self._settings.max_log_bytes
        verdict = self._run("release_call", token, self._first_delay_ms, max_log_bytes)
        return bool(verdict == b"released")

    def renew_leases(self, tokens: Sequence[str]) -> set[str]:
        without_call = self._run("renew_leases", self.member, self._lease_ms, *tokens)
        return {str(token, "utf-8") for token in without_call}

    def leave(self, tokens: Sequence[str]) -> None:
        self._run("leave", self.member, *tokens)

    def adopt_call(self, token: str) -> BegunCall | None:
        found = self._run(
            "adopt_call",
            token,
            self.engine,
            self._lease_ms,
            int(self._settings.engine_gone_seconds * 1000),
            ENGINE_GONE,
            self._settings.max_outputs_bytes,
            self._settings.max_log_bytes,
            self._first_delay_ms,
        )
        if found is None:
            return None
        call_id, definition, attempt, container, nonce, running_ms = found
        return BegunCall(
            id=str(call_id, "utf-8"),
            token=token,
            definition=str(definition, "utf-8"),
            attempt=attempt,
            container=str(container, "utf-8"),
            nonce=str(nonce, "utf-8"),
            running_ms=running_ms,
        )

    def wait_for_kill(self, seconds: float) -> str | None:
        """Wait for the list's newest element, which stays until it is forgotten."""
        key = self._keys.kills(self.engine)
        found = self._client.wait(
            lambda client, block: client.blmove(key, key, block),  # type: ignore[arg-type]  # redis-py's gap
            seconds,
        )
        return None if found is None else str(found, "utf-8")

    def forget_kill(self, container: str) -> None:
        key = self._keys.kills(self.engine)
        self._client.repeat(lambda client: client.lrem(key, 0, container))

    def finish_removals(self) -> None:
        for name in self._removals.list_left_behind():
            self._removals.finish(name)

    def get_definitions(self, names: Sequence[str]) -> dict[str, str]:
        found = self._client.get_many([self._keys.func(name) for name in names])
        return {name: text for name, text in zip(names, found, strict=True) if text is not None}

    def get_service(self) -> str:
        return self._client.get_or_set(self._keys.service, uuid4().hex)

    def get_live_workers(self) -> dict[str, str]:
        key, now_ms = self._keys.workers, self._client.time_ms()
        found = self._client.read(lambda client: client.zrangebyscore(key, now_ms, "+inf"))
        pairs = (str(member, "utf-8").partition("@") for member in found)
        return {worker: engine for worker, _, engine in pairs}

    def get_containers_in_use(self, names: Sequence[str]) -> set[str]:
        if not names:
            return set()
        found = self._client.read(lambda client: client.hmget(self._keys.instances, *names))
        return {name for name, call_id in zip(names, found, strict=True) if call_id is not None}

    def _run(self, script: str, *arguments: Argument) -> Any:
        return self._client.run(get_script(script, self._keys), arguments)
