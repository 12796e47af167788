"""The `funcsvc` command."""

from __future__ import annotations

import click

from funcsvc import __version__
from funcsvc.config import settings_page


@click.group()
@click.version_option(__version__)
def main() -> None:
    """A self-hosted function service."""


@main.command()
def settings() -> None:
    """Print every setting as a page of Markdown."""
    click.echo(settings_page(), nl=False)
