"""The terminal of a command."""

import contextlib
import os
import select
import signal
import sys
from collections.abc import Iterator

_HANGUP = select.POLLHUP | select.POLLERR | select.POLLNVAL


@contextlib.contextmanager
def in_front() -> Iterator[None]:
    """Have Ctrl-C signal this command alone, and not make, which would call its end an error.

    So this is a process group of its own in front of the terminal; Ctrl-Z, which would stop it
    behind make's back, does nothing.
    """
    before = _group_in_front()
    if before != os.getpgrp() or before == os.getpid():
        yield
        return
    for number in (signal.SIGTSTP, signal.SIGTTOU, signal.SIGTTIN):
        signal.signal(number, lambda *_: None)
    os.setpgid(0, 0)
    _put_in_front(os.getpid())
    try:
        yield
    finally:
        if _group_in_front() == os.getpid():
            _put_in_front(before)


def _group_in_front() -> int:
    with contextlib.suppress(OSError):
        return os.tcgetpgrp(0)
    return -1


def _put_in_front(group: int) -> None:
    """A group at the back may do this only where the kernel's SIGTTOU can't stop it."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTTOU})
    with contextlib.suppress(OSError):
        os.tcsetpgrp(0, group)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTTOU})


def has_hung_up() -> bool:
    """Tell whether the terminal is gone; the kernel tells that to its session's leader alone."""
    if not IS_TERMINAL:
        return False
    poll = select.poll()
    poll.register(0, 0)
    return any(event & _HANGUP for _, event in poll.poll(0))


IS_TERMINAL = sys.stdin is not None and sys.stdin.isatty()
