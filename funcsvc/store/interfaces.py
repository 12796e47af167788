"""What the other rooms need of the store: five interfaces, with the errors of each method.

Any method can raise StoreUnavailable. It has then changed nothing, unless its docstring says
otherwise.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from funcsvc.model import (
    BegunCall,
    CallCounts,
    CallState,
    Event,
    Func,
    NewCall,
    Outcome,
    ReservedCall,
)


class FuncStore(Protocol):
    """The stored funcs.

    A definition is the JSON text that its create or update returned, and is read back unchanged.
    """

    def create_func(self, func: Func, definition: str, image_id: str = "") -> None:
        """Store a new func. Raises FuncExists, FuncBeingRemoved and ImageBeingRemoved."""

    def get_func(self, name: str) -> str:
        """Return the definition of a func. Raises FuncNotFound."""

    def get_funcs(self, names: Sequence[str]) -> list[str]:
        """Return the definitions of those of these funcs that exist, in the given order."""

    def list_funcs(self, before: str | None = None, page_funcs: int = 500) -> Iterator[list[str]]:
        """Yield the definitions, newest first, in pages of at most `page_funcs`.

        Starts after the func `before`. Raises FuncNotFound if that doesn't exist.
        """

    def update_func(self, name: str, change: Callable[[str], str]) -> str:
        """Replace a definition with what `change` makes of it, and return the new one.

        Calls `change` again with the current definition if another update came first. Raises
        FuncNotFound and whatever `change` raises.
        """

    def delete_func(self, name: str, *, force: bool = False) -> None:
        """Delete a func with its calls, outputs and events. Raises FuncNotFound and FuncBusy.

        With `force`, pending calls never run, and running ones are killed. If Redis fails on the
        way, or they take more than a few seconds, workers remove the rest.
        """

    def announce_image_removal(self, image_id: str, seconds: float) -> None:
        """Refuse new funcs with an image for the next `seconds`."""

    def check(self) -> None:
        """Raise StoreUnavailable unless Redis answers, is new enough and never evicts."""


class CallStore(Protocol):
    """The calls of all funcs, as the web process sees them."""

    def create_call(self, call: NewCall) -> None:
        """Accept a call, which is never lost from then on.

        Raises FuncNotFound if the func is gone or has another UUID, TooManyPending, and
        TooManyPendingBytes.
        """

    def get_call(self, func_name: str, call_id: str) -> CallState:
        """Return a call of a func. Raises CallNotFound and OutputRotated.

        Raises CallRemoved for a few seconds after a call was removed before its end.
        """

    def get_func_name(self, call_id: str) -> str:
        """Return the name of the func that a call belongs to. Raises CallNotFound."""

    def wait_for_end(self, call_id: str, seconds: float) -> None:
        """Wait until a call has ended, for at most `seconds`. Can return early for no reason."""

    def delete_call(self, call_id: str) -> None:
        """Delete a call whose output was delivered. Does nothing unless the call has ended."""

    def get_counts(self, func_name: str) -> CallCounts:
        """Return the number of calls that a func has had, and how many are in each status."""

    def list_calls(self, func_name: str) -> Iterator[CallState]:
        """Yield the stored calls of a func, oldest first, without their outputs."""


class EventLog(Protocol):
    """The events of all funcs, one log per func."""

    def get_last_position(self, func_name: str) -> str:
        """Return the position of the newest event, or `0-0`."""

    def list_events(
        self, func_name: str, call_id: str = "", tail: int | None = None, until: str = "+"
    ) -> Iterator[Event]:
        """Yield the events of a func, or of one of its calls, oldest first.

        `tail` limits them to that many of the newest; `until` is the position of the last event
        to include.
        """

    def wait_for_events(self, func_name: str, after: str, seconds: float) -> list[Event]:
        """Return the events after a position. Waits at most `seconds` for the first one."""


class FailedAttempts(Protocol):
    """Failed attempts to show an access key, counted across all processes.

    They are counted by client address and known key; those with unknown keys by address alone.
    """

    def add(self, address: str, access_key: str = "") -> None:
        """Count a failed attempt with a known key, or with none.

        Raises TooManyAttempts beyond the limit, and at a known key also beyond that for unknown
        ones: otherwise 401 would tell a known key from an unknown one without limit.
        """


class CallQueue(Protocol):
    """The queue of calls, as one worker on one engine sees it.

    Every change names the token under which the worker holds the call, and changes nothing if the
    token no longer holds one. Any method can be repeated after StoreUnavailable: a change that was
    carried out isn't carried out twice.
    """

    worker: str
    """The random name of this worker."""

    @property
    def member(self) -> str:
        """The worker and its engine, `<worker>@<engine>`."""

    def new_token(self) -> str:
        """Return a new, unique token."""

    def reserve_call(self, token: str, with_share: Sequence[str] = ()) -> ReservedCall | None:
        """Take the oldest pending call of the funcs below their limit, if there is one.

        Funcs `with_share`, which have their share of the worker's slots, come after all others. A
        token that already holds a call gets that call again.
        """

    def wait_for_pending(self, seconds: float) -> None:
        """Wait until there might be a pending call, for at most `seconds`."""

    def begin_call(self, token: str, container: str, nonce: str, *, waited: bool = False) -> bool:
        """Record the container that a call's frame is about to be sent to.

        `waited` says whether the container was waiting before the call came. Returns False if the
        token no longer holds the call.
        """

    def end_call(self, token: str, outcome: Outcome) -> bool:
        """Record how a call ended. Returns False if the token no longer holds it."""

    def release_call(self, token: str) -> bool:
        """Put a call that can't have begun back, behind what else is ready and after a delay.

        The delay doubles with each attempt. Returns False if the token no longer holds the call.
        """

    def renew_leases(self, tokens: Sequence[str]) -> set[str]:
        """Renew the leases of this worker and its calls. Return the tokens that hold nothing."""

    def leave(self, tokens: Sequence[str]) -> None:
        """Sign this worker off. The calls that the tokens hold can be taken over at once."""

    def adopt_call(self, token: str) -> BegunCall | None:
        """Take over a call of this engine whose lease has expired, if there is one.

        Expired calls that can't have begun are put back. Those that began on an engine that has
        had no worker for too long end as failed.
        """

    def wait_for_kill(self, seconds: float) -> str | None:
        """Return a container of this engine whose call was removed while it ran.

        Waits for one, for at most `seconds`. It is returned again until it is forgotten.
        """

    def forget_kill(self, container: str) -> None:
        """Return a container no longer, because it has been killed."""

    def finish_removals(self) -> None:
        """Remove what deleted funcs have left, if the processes that deleted them have given up.

        Takes a few seconds at most for each of ten funcs.
        """

    def get_definitions(self, names: Sequence[str]) -> dict[str, str]:
        """Return the definitions, by name, of those of these funcs that exist."""

    def get_service(self) -> str:
        """Return the random name that labels all containers of this service."""

    def get_live_workers(self) -> dict[str, str]:
        """Return the engines of the workers whose lease hasn't expired, by worker."""

    def get_containers_in_use(self, names: Sequence[str]) -> set[str]:
        """Return those of these containers in which a call might be running."""


@dataclass(frozen=True)
class Stores:
    """All stores over one Redis. `open_queue` takes the id of the worker's engine."""

    funcs: FuncStore
    calls: CallStore
    events: EventLog
    attempts: FailedAttempts
    open_queue: Callable[[str], CallQueue]
    close: Callable[[], None]
