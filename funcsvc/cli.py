"""The `funcsvc` command."""

from __future__ import annotations

import signal

import click

from funcsvc import __version__
from funcsvc.config import settings_page
from funcsvc.process import (
    STOPPING,
    keep_freed_memory,
    log_to_stderr,
    set_from_handler,
    settings_or_exit,
)


@click.group()
@click.version_option(__version__)
def main() -> None:
    """A self-hosted function service."""


@main.command()
def settings() -> None:
    """Print the documentation of all settings, as Markdown."""
    click.echo(settings_page(), nl=False)


@main.command()
def worker() -> None:
    """Run calls on the configured Docker Engine until SIGTERM."""
    from funcsvc.worker import make_worker

    given = settings_or_exit()
    log_to_stderr(given.log_level)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: set_from_handler(STOPPING))
    keep_freed_memory()
    made = make_worker(given, STOPPING)
    if made:
        made.run()
