"""The `funcsvc` command."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading

import click

from funcsvc import __version__
from funcsvc.allocator import keep_freed_memory
from funcsvc.config import InvalidSettings, Settings, load_settings, settings_page
from funcsvc.stopping import set_from_handler


@click.group()
@click.version_option(__version__)
def main() -> None:
    """A self-hosted function service."""


@main.command()
def settings() -> None:
    """Print every setting as a page of Markdown."""
    click.echo(settings_page(), nl=False)


@main.command()
def worker() -> None:
    """Run calls on the engine of this host, until SIGTERM."""
    from funcsvc.worker import make_worker  # the other commands need no engine

    given = _settings_or_exit()
    _log_to_stderr(given.log_level)
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: set_from_handler(stopping))
    keep_freed_memory()
    made = make_worker(given, stopping)
    if made:
        made.run()


def _settings_or_exit() -> Settings:
    try:
        return load_settings(os.environ)
    except InvalidSettings as error:
        sys.exit(f"funcsvc can't start: {error}")


def _log_to_stderr(level: str) -> None:
    logging.basicConfig(
        level=level.upper(), format="%(asctime)s [%(process)d] [%(levelname)s] %(message)s"
    )
