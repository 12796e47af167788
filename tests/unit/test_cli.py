"""The `funcsvc` command."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from funcsvc import __version__
from funcsvc.cli import main
from funcsvc.config import settings_page


@pytest.mark.parametrize(
    ("arguments", "output"),
    [(["settings"], settings_page()), (["--version"], f"main, version {__version__}\n")],
)
def test_command_prints_what_it_was_asked_for(arguments, output):
    result = CliRunner().invoke(main, arguments)
    assert (result.exit_code, result.output) == (0, output)


def test_unknown_command_is_refused():
    assert CliRunner().invoke(main, ["sing"]).exit_code == 2
