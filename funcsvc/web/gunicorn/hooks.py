"""What gunicorn calls as it starts: check the address, keep signals, check Redis."""

from __future__ import annotations

import errno
import logging
import os
import socket
import sys
from pathlib import Path
from typing import Any

from funcsvc.model.errors import StoreUnavailable
from funcsvc.process import read_settings
from funcsvc.store import open_stores
from funcsvc.web.gunicorn.worker import DeadlineWorker

NO_UPGRADE = (
    "SIGUSR2 can't upgrade a service that supervisord keeps: start it again instead. "
    "If `make run` started it, end that and start it again."
)


def check_address_is_free(server: Any) -> None:
    """Exit with a message if the address is already in use (gunicorn's on_starting hook).

    With reuse_port, a second service on the same port would share it with the first. In an upgrade
    that is what's wanted: both masters' workers listen, until the old master is told to stop.
    """
    if "GUNICORN_PID" in os.environ:
        # With reuse_port the old master has no sockets to pass on, and gunicorn can't parse that
        # they are none. What it reads here, it then doesn't use.
        os.environ["GUNICORN_FD"] = os.environ.get("GUNICORN_FD") or "-1"
        return
    for address in server.cfg.address:
        if isinstance(address, str):
            exit_unless_possible(Path(address))
        else:
            exit_if_taken(*address)


def exit_if_taken(host: str, port: int) -> None:
    """End with a sentence unless this process could listen there."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            sys.exit(f"funcsvc can't listen at {host}:{port}: {error.strerror}.")


def exit_unless_possible(path: Path) -> None:
    """End with a sentence unless this process could make a unix socket there.

    One that is there already is gunicorn's to replace.
    """
    try:
        if path.is_socket():
            return
        with socket.socket(socket.AF_UNIX) as probe:
            probe.bind(str(path))
        path.unlink()
    except OSError as error:
        reason = "it is not a socket" if error.errno == errno.EADDRINUSE else error.strerror
        sys.exit(f"funcsvc can't listen at unix:{path}: {reason}.")


def begin_upgrade(server: Any) -> None:
    """Have an upgrade start gunicorn as a module where this process did (gunicorn's pre_exec hook).

    gunicorn would start that module's file, whose folder would then hide modules of Python's own.
    supervisord doesn't know the new master: it would start a third, and leave the new one behind.
    """
    if "SUPERVISOR_ENABLED" in os.environ:
        server.log.error(NO_UPGRADE)
        os._exit(1)
    python, program, *words = server.START_CTX["args"]
    if program.endswith("__main__.py"):
        server.START_CTX["args"] = [python, "-m", "gunicorn", *words]


def keep_early_signals(server: Any, worker: DeadlineWorker) -> None:
    """Keep signals that come before a worker's handlers are set (gunicorn's post_fork hook)."""
    worker.early_signals = server.SIG_QUEUE


def say_ready(server: Any) -> None:
    """Log where the service listens, and what is wrong with Redis (gunicorn's when_ready hook).

    gunicorn itself can't log the address, because with reuse_port its workers bind it. An unusable
    Redis doesn't stop the start, because it might come back.
    """
    log = logging.getLogger("gunicorn.error")
    log.info("funcsvc listens at %s", ", ".join(server.cfg.settings["bind"].get()))
    try:
        open_stores(read_settings()).funcs.check()
    except StoreUnavailable as error:
        log.warning("%s", error.message)
