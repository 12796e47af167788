"""The calls that this worker holds, and how it releases them."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from funcsvc.engine import WorkerEngine
from funcsvc.model import BegunCall, ReservedCall
from funcsvc.model.errors import EngineUnavailable, FuncsvcError

_log = logging.getLogger(__name__)


class Holds:
    """The tokens under which this worker holds calls. Safe to share between threads.

    After a call has failed because of the engine, no other is taken until `engine_is_well`.
    """

    def __init__(self, engine: WorkerEngine) -> None:
        self._engine = engine
        self._engine_answers = True
        self._tokens: set[str] = set()
        self._lock = threading.Lock()

    def add(self, token: str) -> None:
        """Hold the call of this token, or the one that a reservation with it will return."""
        with self._lock:
            self._tokens.add(token)

    def discard(self, token: str) -> None:
        """Stop holding the call of this token."""
        with self._lock:
            self._tokens.discard(token)

    def tokens(self) -> list[str]:
        """Return all tokens."""
        with self._lock:
            return list(self._tokens)

    @contextmanager
    def guarded(self, call: ReservedCall | BegunCall) -> Iterator[None]:
        """Stop holding a call after the block. Errors are logged, so that the thread goes on."""
        try:
            yield
        except EngineUnavailable as error:
            _log.warning("call %s: %s", call.id, error.message)
            self._engine_answers = False
        except FuncsvcError as error:
            _log.warning("call %s: %s", call.id, error.message)
        except Exception:  # noqa: BLE001  # logged in full; another worker takes the call over
            _log.exception("call %s: this worker failed unexpectedly", call.id)
        finally:
            self.discard(call.token)

    def engine_is_well(self) -> bool:
        """Tell whether the engine answers. It is asked only after it has failed."""
        if not self._engine_answers:
            try:
                self._engine.check()
            except EngineUnavailable:
                return False
            self._engine_answers = True
        return True
