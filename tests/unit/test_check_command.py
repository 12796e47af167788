"""Whether the definition or the image has a command, merged as the engine merges them."""

from __future__ import annotations

import pytest

from funcsvc.engine.web_engine import check_command
from funcsvc.model import Config, Image, parse_image_reference
from funcsvc.model.errors import NoCommand

UBUNTU = parse_image_reference("ubuntu")


def check(cmd=(), entrypoint=(), image_cmd=(), image_entrypoint=()) -> None:
    config = Config(image=UBUNTU, cmd=cmd, entrypoint=entrypoint)
    check_command(config, Image(id="sha256:1", cmd=image_cmd, entrypoint=image_entrypoint))


@pytest.mark.parametrize(
    "given",
    [
        {"cmd": ["a"]},
        {"cmd": [""]},
        {"entrypoint": ["a"]},
        {"entrypoint": ["", "a"]},
        {"image_cmd": ["a"]},
        {"image_entrypoint": ["a"]},
        {"cmd": ["a"], "entrypoint": [""]},
        {"cmd": ["a"], "image_cmd": ["b"], "image_entrypoint": ["c"]},
    ],
)
def test_func_that_has_something_to_run_is_accepted(given):
    check(**given)


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"entrypoint": [""]},
        {"entrypoint": [""], "image_cmd": ["a"]},
        {"entrypoint": [""], "image_entrypoint": ["a"]},
    ],
)
def test_func_that_has_nothing_to_run_is_refused(given):
    with pytest.raises(NoCommand) as caught:
        check(**given)
    assert caught.value.field_errors == {
        "Config.Cmd": [
            "Config.Cmd is missing, but is required: neither Config.Entrypoint nor the image "
            '"ubuntu" says what to run.'
        ]
    }
