"""What is done with a checkout; `make help` has the commands: run, test, bench, lint, clean.

- `servers`: real servers, each described once; tests start, kill and end their own
- `services`: the Redis and the engine of a command, found, or kept by supervisord as its `children`
- `images`: images that are made on the spot, and so need no registry
- `machine`: what all of them need of this machine
"""

import signal
import sys
from types import TracebackType


def _quietly(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Show no trace of a Ctrl-C that comes before a command has begun to heed it."""
    if not issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, trace)


sys.excepthook = _quietly


def heed_ctrl_c() -> None:
    """Release a Ctrl-C, which is held while a command starts."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
