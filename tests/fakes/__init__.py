"""Fakes of the stores and the engine. tests/contract and mypy compare them with the real ones.

They keep everything in memory, and threads can share them. After `fail_with`, every use raises the
given error.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.fakes.calls import FakeCallStore
from tests.fakes.engine import LARGE, FakeEngine
from tests.fakes.events import FakeEventLog
from tests.fakes.funcs import FakeFuncStore

if TYPE_CHECKING:
    from funcsvc.engine import WebEngine
    from funcsvc.store import CallStore, EventLog, FuncStore

    _FUNCS: FuncStore = FakeFuncStore()
    _CALLS: CallStore = FakeCallStore(FakeFuncStore())
    _EVENTS: EventLog = FakeEventLog()
    _ENGINE: WebEngine = FakeEngine()

__all__ = [
    "LARGE",
    "FakeCallStore",
    "FakeEngine",
    "FakeEventLog",
    "FakeFuncStore",
]
