"""Limits on the instances of one worker."""

from __future__ import annotations

from dataclasses import dataclass

from funcsvc.config import Settings


@dataclass(frozen=True, kw_only=True)
class PoolLimits:
    """How many instances the pool may have, and how long it waits. Times are in seconds."""

    slots: int
    max_waiting: int
    max_waiting_memory_bytes: int
    """How much memory the sizes of all waiting instances may add up to."""
    tick_seconds: float = 1.0
    """How often waiting instances are checked while none needs to be made."""
    yield_seconds: float = 0.05
    """How long to wait before checking again whether calls leave room to make an instance."""
    pause_seconds: float = 5.0
    """How long to make no waiting instance after the engine failed, or of a func after one did."""
    max_pause_seconds: float = 300.0
    """The pause doubles with each failure of a func. Beyond this, only a call has another made."""
    proof_seconds: float = 1.0
    """Once an instance has waited for this long, several may be made at once."""
    lasting_seconds: float = 60.0
    """An instance that ends by itself before it has waited for this long has failed."""
    settle_seconds: float = 0.02
    """How long a removal waits, so that the call's answer is sent first."""
    removing_threads: int = 2
    max_removing_tries: int = 20
    removing_retry_seconds: float = 1.0

    @classmethod
    def from_settings(cls, settings: Settings) -> PoolLimits:
        """Return the limits that the operator has set."""
        return cls(
            slots=settings.slots,
            max_waiting=settings.waiting_instances,
            max_waiting_memory_bytes=settings.waiting_memory_bytes,
        )

    @property
    def max_removing(self) -> int:
        """How many removals may be due. Beyond that, a call's thread removes its own container."""
        return 4 * self.slots + 2 * self.max_waiting
