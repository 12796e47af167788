"""What no kernel or engine can start is refused in a definition, and what just can is accepted."""

from __future__ import annotations

from dataclasses import replace

import pytest

from funcsvc.engine import make_frame
from funcsvc.engine.containers.protocol import MAX_FRAME_BYTES
from funcsvc.engine.startable import check_startable
from funcsvc.model import (
    KERNEL_BYTES,
    MAX_ARGUMENT_BYTES,
    MAX_ENVIRONMENT_BYTES,
    MAX_PAYLOAD_BYTES,
    Func,
    Image,
    argument_bytes,
)
from funcsvc.model.errors import ArgumentsTooLarge, ImageArgumentTooLong, ImageInStarterFolder
from tests.unit.loading import definition, errors_of, load, with_option

LONGEST = 131_071
"""MAX_ARG_STRLEN is 131,072 bytes with the NUL."""

NAKED = Image("sha256:1", cmd=[], entrypoint=[])


def func(**config: object) -> Func:
    loaded = load(definition({"Cmd": ["true"]}))
    return replace(loaded, config=replace(loaded.config, **config))


def filling(total: int) -> list[str]:
    """Return variables that take exactly this much of the kernel's limit."""
    sizes = [100_000] * (total // 100_000) + [total % 100_000]
    return [f"A{number:02}={'x' * (size - 13)}" for number, size in enumerate(sizes)]


@pytest.mark.parametrize("option", ["Cmd", "Entrypoint", "Env"])
@pytest.mark.parametrize("letter", ["x", "é", "😀"])
def test_word_or_variable_of_128_kib_is_refused(option, letter):
    size = len(letter.encode())
    text = "A=" + letter * ((LONGEST - 2) // size)
    text += "x" * (LONGEST - len(text.encode()))
    assert load(with_option(f"Config.{option}", ["A=b", text]))
    (sentence,) = errors_of(with_option(f"Config.{option}", ["A=b", f"{text}x"])).values()
    assert sentence[0].startswith(f'Config.{option}.1 is "A={letter}')
    assert sentence[0].endswith(f"but must be at most {LONGEST} bytes long.")
    assert len(sentence[0]) < 250


@pytest.mark.parametrize("option", ["Cmd", "Entrypoint"])
def test_word_of_128_kib_in_a_command_line_is_refused(option):
    line = f"true {'x' * LONGEST}"
    assert load(with_option(f"Config.{option}", line))
    (sentence,) = errors_of(with_option(f"Config.{option}", f"{line}x"))[f"Config.{option}"]
    assert sentence.endswith("but must be a command line of words of at most 131071 bytes each.")


@pytest.mark.parametrize(
    "path",
    [
        "/a" * 255,
        f"/{'a' * 255}",
        ("/" + "a" * 249) * 14,
        "/." * 9999,
        "/" * 9999,
    ],
)
def test_path_that_an_engine_can_make_is_accepted(path):
    assert load(with_option("Config.WorkingDir", path)).config.working_dir == path


@pytest.mark.parametrize(
    "path", ["/a" * 256, f"/{'a' * 256}", f"/{'é' * 128}", "/b" + ("/" + "a" * 249) * 14]
)
def test_path_that_no_engine_can_make_is_refused(path):
    (sentence,) = errors_of(with_option("Config.WorkingDir", path))["Config.WorkingDir"]
    assert sentence.endswith("but must be a path of at most 255 names of at most 255 bytes each, "
                             "and of at most 3500 bytes in all.")  # fmt: skip


def test_link_whose_variables_would_be_too_long_is_refused():
    assert load(with_option("HostConfig.Links", ["a:" + "b" * 63_998]))
    (sentence,) = errors_of(with_option("HostConfig.Links", ["a:" + "b" * 63_999])).values()
    assert sentence[0].endswith("but must be at most 64000 bytes long.")


def test_definition_is_measured_with_what_its_image_adds():
    words = argument_bytes(["true"])
    image = replace(NAKED, env=filling(MAX_ARGUMENT_BYTES - words))
    check_startable(func(), image)
    for more in (func(env=["B="]), func(cmd=["true", ""])):
        with pytest.raises(ArgumentsTooLarge) as caught:
            check_startable(more, image)
    assert caught.value.field_errors == {
        "Config.Env": [
            f"Config.Env takes {MAX_ARGUMENT_BYTES + 9} bytes together with Config.Entrypoint, "
            "Config.Cmd and what the image adds, but must take at most 2015232."
        ]
    }


def test_what_a_definition_overrides_of_its_image_is_not_counted():
    long = "x" * LONGEST
    image = Image("sha256:1", cmd=[f"{long}x"], entrypoint=[], env=[f"A={long}"])
    check_startable(func(env=["A=1"]), image)
    with pytest.raises(ImageArgumentTooLong) as caught:
        check_startable(func(), image)
    assert caught.value.message.endswith("shorter than 128 KiB: its variable A isn't.")
    with pytest.raises(ImageArgumentTooLong) as caught:
        check_startable(func(env=["A=1"], cmd=[]), image)
    assert caught.value.message.endswith("shorter than 128 KiB: its command isn't.")


@pytest.mark.parametrize(
    ("image", "what"),
    [
        (replace(NAKED, working_dir="/.funcsvc/x"), "WorkingDir /.funcsvc/x"),
        (replace(NAKED, working_dir="//a/../.funcsvc"), "WorkingDir //a/../.funcsvc"),
        (replace(NAKED, volumes=["/data", "/.funcsvc/x"]), "volume /.funcsvc/x"),
        (replace(NAKED, working_dir="/.funcsvc-2", volumes=["/", ".funcsvc2"]), None),
    ],
)
def test_image_with_a_folder_where_the_starter_is_is_refused(image, what):
    if what is None:
        check_startable(func(), image)
        return
    with pytest.raises(ImageInStarterFolder) as caught:
        check_startable(func(), image)
    assert caught.value.message.endswith(f"has the starter: it has the {what}.")


def test_image_may_have_a_working_dir_that_the_definition_overrides():
    check_startable(func(working_dir="/x"), replace(NAKED, working_dir="/.funcsvc/x"))


def test_frame_holds_whatever_the_kernel_takes():
    empty = [""] * (MAX_ARGUMENT_BYTES // argument_bytes([""]))
    for words in (empty, filling(MAX_ARGUMENT_BYTES)):
        frame = make_frame(
            "0" * 32,
            words,
            [b"A=" + b"x" * (MAX_ENVIRONMENT_BYTES - 3)],
            bytes(MAX_PAYLOAD_BYTES),
            terminal=False,
        )
        assert len(frame) < MAX_FRAME_BYTES


def test_requests_environment_has_room_besides_the_most_that_a_definition_takes():
    request = [f"HTTP_{number:04}={'x' * 46}" for number in range(MAX_ENVIRONMENT_BYTES // 56)]
    own = ["HOSTNAME=" + "x" * 64, "HOME=/", "TERM=xterm", "x" * 4096]
    assert MAX_ARGUMENT_BYTES + argument_bytes([*request, *own]) <= KERNEL_BYTES
