"""What gunicorn calls as it starts: is the address free, are signals kept, is Redis usable."""

from __future__ import annotations

import logging
import os
import socket
import sys
from typing import Any

from funcsvc.config import load_settings
from funcsvc.model.errors import StoreUnavailable
from funcsvc.web.app import make_client
from funcsvc.web.gunicorn.worker import Worker


def check_address_is_free(server: Any) -> None:
    """End with a sentence when somebody listens there already (gunicorn's on_starting hook).

    With reuse_port, a second service on the same port would share it with the first.
    """
    if "GUNICORN_PID" in os.environ:  # an upgrade in place: the first one is this one's parent
        return
    for address in server.cfg.address:
        if not isinstance(address, str):  # a unix socket, which gunicorn itself looks after
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


def keep_early_signals(server: Any, worker: Worker) -> None:
    """Let a worker find the signals that come before its handlers (gunicorn's post_fork hook)."""
    worker.early_signals = server.SIG_QUEUE


def say_ready(server: Any) -> None:
    """Say where the service listens, and what is wrong with Redis (gunicorn's when_ready hook).

    gunicorn itself doesn't know the address: with reuse_port its workers bind it. A Redis that
    can't be used is no reason to stop, for it may come back.
    """
    log = logging.getLogger("gunicorn.error")
    log.info("funcsvc listens at %s", ", ".join(server.cfg.settings["bind"].get()))
    try:
        make_client(load_settings(os.environ)).check()
    except StoreUnavailable as error:
        log.warning("%s", error.message)
