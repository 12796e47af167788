"""`Name`, `ContainerSize`, `Timeout`, `Config.*`: accepted, refused, both sides of each bound."""

from __future__ import annotations

import pytest

from funcsvc.model import SIZES
from tests.unit.loading import answer, definition, errors_of, load, with_option

NO_STRING = [0, 1, 1.5, True, False, [], ["a"], {}, {"a": "b"}]


def test_the_ten_sizes_are_those_of_the_contract():
    megabytes = {name: (size.cpus, size.memory_bytes / 1024**2) for name, size in SIZES.items()}
    assert megabytes == {
        "s1": (1, 64),
        "s2": (1, 128),
        "s3": (1, 256),
        "s4": (1, 512),
        "m1": (1, 1024),
        "m2": (2, 2048),
        "m3": (2, 4096),
        "l1": (4, 4096),
        "l2": (4, 8192),
        "l3": (8, 16384),
    }


@pytest.mark.parametrize(
    "name", ["a", "0", "a0", "0a", "a-b", "a--b", "hello-world-2", "a" * 255, f"a{'-' * 253}b"]
)
def test_name_is_accepted_and_returned(name):
    assert answer(with_option("Name", name))["Name"] == name


@pytest.mark.parametrize(
    "name",
    ["", "-", "-a", "a-", "A", "aB", "a_b", "a.b", "a b", " a", "a\n", "\na", "ä", "a/b", "a" * 256,
     *NO_STRING],
)  # fmt: skip
def test_name_is_refused(name):
    (sentence,) = errors_of(with_option("Name", name))["Name"]
    assert sentence.startswith("Name is ")
    assert sentence.endswith(
        "but must be 1 to 255 characters of a-z, 0-9 and '-', with no '-' at either end."
    )


def test_name_is_required():
    document = definition()
    del document["Name"]
    assert errors_of(document) == {
        "Name": [
            "Name is missing, but is required: 1 to 255 characters of a-z, 0-9 and '-', "
            "with no '-' at either end."
        ]
    }


@pytest.mark.parametrize("size", SIZES)
def test_container_size_is_a_preset(size):
    assert load(with_option("ContainerSize", size)).size == SIZES[size]
    assert answer(with_option("ContainerSize", size))["ContainerSize"] == size


@pytest.mark.parametrize(
    "size", ["", "S4", "s0", "s5", "m4", "l4", "xl", " s4", "s4\n", "4", *NO_STRING]
)
def test_container_size_is_refused(size):
    (sentence,) = errors_of(with_option("ContainerSize", size))["ContainerSize"]
    assert sentence.startswith("ContainerSize is ")
    assert sentence.endswith("but must be one of s1, s2, s3, s4, m1, m2, m3, l1, l2, l3.")


@pytest.mark.parametrize("timeout", [1, 2, 300, 86399, 86400])
def test_timeout_is_accepted_and_returned(timeout):
    assert answer(with_option("Timeout", timeout))["Timeout"] == timeout


@pytest.mark.parametrize(
    ("timeout", "shown"),
    [
        (0, "0"),
        (86401, "86401"),
        (-1, "-1"),
        (2**64 - 1, str(2**64 - 1)),
        (1.0, "1.0"),
        (1.5, "1.5"),
        (True, "true"),
        (False, "false"),
        ("300", '"300"'),
        ("", '""'),
        ([300], "[300]"),
        ({}, "{}"),
    ],
)
def test_timeout_is_refused(timeout, shown):
    assert errors_of(with_option("Timeout", timeout)) == {
        "Timeout": [f"Timeout is {shown}, but must be a whole number of seconds from 1 to 86400."]
    }


def test_image_is_returned_as_it_was_written():
    assert answer(with_option("Config.Image", "docker.io/ubuntu"))["Config"]["Image"] == (
        "docker.io/ubuntu"
    )


@pytest.mark.parametrize("image", NO_STRING)
def test_image_that_is_no_string_is_refused(image):
    (sentence,) = errors_of(with_option("Config.Image", image))["Config.Image"]
    assert sentence.endswith(
        "but must be an image reference such as ubuntu, ubuntu:22.04 or "
        "registry.example.com:5000/team/tool."
    )


def test_image_that_is_no_reference_is_refused_with_the_broken_rule():
    assert errors_of(with_option("Config.Image", "Ubuntu")) == {
        "Config.Image": [
            'Config.Image is "Ubuntu", but must be an image reference, '
            "and a repository name is lower case."
        ]
    }


@pytest.mark.parametrize("config", [{}, None])
def test_image_is_required(config):
    document = {"Name": "f"} if config is None else {"Name": "f", "Config": config}
    assert errors_of(document) == {
        "Config.Image": [
            "Config.Image is missing, but is required: an image reference such as ubuntu, "
            "ubuntu:22.04 or registry.example.com:5000/team/tool."
        ]
    }


@pytest.mark.parametrize("option", ["Cmd", "Entrypoint"])
@pytest.mark.parametrize(
    ("value", "stored"),
    [
        (["echo", "a b"], ["echo", "a b"]),
        (["a", "", "'"], ["a", "", "'"]),
        ([""], [""]),
        ("echo", ["echo"]),
        ("echo a  b", ["echo", "a", "b"]),
        ("echo 'a b'", ["echo", "a b"]),
        ('echo "a b" c\\ d', ["echo", "a b", "c d"]),
        ("echo ''", ["echo", ""]),
        ("echo # no comment", ["echo", "#", "no", "comment"]),
        ("echo ä☃", ["echo", "ä☃"]),
        ("sh -c 'a && b; c'", ["sh", "-c", "a && b; c"]),
        ("a\nb\tc", ["a", "b", "c"]),
    ],
)
def test_command_is_stored_and_returned_as_a_list(option, value, stored):
    assert answer(with_option(f"Config.{option}", value))["Config"][option] == stored


@pytest.mark.parametrize("option", ["Cmd", "Entrypoint"])
@pytest.mark.parametrize("value", [[], "", "  "])
def test_empty_command_leaves_the_images_and_is_left_out(option, value):
    assert option not in answer(with_option(f"Config.{option}", value))["Config"]


@pytest.mark.parametrize("option", ["Cmd", "Entrypoint"])
@pytest.mark.parametrize("value", [0, 1.5, True, {}, {"a": "b"}])
def test_command_that_is_no_list_and_no_string_is_refused(option, value):
    (sentence,) = errors_of(with_option(f"Config.{option}", value))[f"Config.{option}"]
    assert sentence.endswith("but must be a list of strings, or one string.")


@pytest.mark.parametrize("option", ["Cmd", "Entrypoint"])
@pytest.mark.parametrize("value", ["echo 'a", 'a "', "a\\", '"a\\"', "a 'b' \"c"])
def test_command_that_can_not_be_split_is_refused(option, value):
    (sentence,) = errors_of(with_option(f"Config.{option}", value))[f"Config.{option}"]
    why = "its quotes must be closed, and a backslash can't be its last character"
    assert sentence.endswith(f"but must be a command line that can be split: {why}.")


@pytest.mark.parametrize("option", ["Cmd", "Entrypoint", "Env"])
@pytest.mark.parametrize("item", [None, 1, 1.5, True, ["a=b"], {"a": "b"}])
def test_list_items_that_are_no_strings_are_refused_under_their_index(option, item):
    errors = errors_of(with_option(f"Config.{option}", ["a=b", item, "c=d", item]))
    assert list(errors) == [f"Config.{option}.1", f"Config.{option}.3"]


@pytest.mark.parametrize(
    "env",
    [[], ["A=b"], ["A="], ["A=="], ["A=b=c"], ["A=b", "A=c"], ["A= b "], ["A=\n"], ["a.b-c=d"],
     ["ä=ö"], ["A B=c"]],
)  # fmt: skip
def test_env_is_accepted_and_returned(env):
    assert answer(with_option("Config.Env", env))["Config"]["Env"] == env


@pytest.mark.parametrize(
    ("item", "shown"),
    [("", '""'), ("A", '"A"'), ("=", '"="'), ("=b", '"=b"'), (1, "1"), (None, "null")],
)
def test_env_items_are_refused_under_their_index(item, shown):
    assert errors_of(with_option("Config.Env", ["A=b", item])) == {
        "Config.Env.1": [f"Config.Env.1 is {shown}, but must be VAR=value, with VAR not empty."]
    }


@pytest.mark.parametrize("env", ["A=b", {"A": "b"}, 1, True])
def test_env_that_is_no_list_is_refused(env):
    (sentence,) = errors_of(with_option("Config.Env", env))["Config.Env"]
    assert sentence.endswith("but must be a list of VAR=value.")


@pytest.mark.parametrize("path", ["Config.Tty", "HostConfig.PublishAllPorts"])
def test_flag_is_returned_where_it_is_true(path):
    section, option = path.split(".")
    assert answer(with_option(path, True))[section][option] is True
    assert option not in answer(with_option(path, False))[section]


@pytest.mark.parametrize("path", ["Config.Tty", "HostConfig.PublishAllPorts"])
@pytest.mark.parametrize("value", [0, 1, 1.0, "true", "", [], {}])
def test_flag_that_is_no_boolean_is_refused(path, value):
    (sentence,) = errors_of(with_option(path, value))[path]
    assert sentence.endswith("but must be true or false.")


@pytest.mark.parametrize("path", ["/", "/a", "/a/b/", "/a b", "//", "/a/../b", "/ä"])
def test_working_dir_is_accepted_and_returned(path):
    assert answer(with_option("Config.WorkingDir", path))["Config"]["WorkingDir"] == path


@pytest.mark.parametrize(
    "path",
    ["/.funcsvc", "/.funcsvc/", "/.funcsvc/x", "//.funcsvc", "///.funcsvc//x", "/./.funcsvc",
     "/a/../.funcsvc", "/../.funcsvc/x/..", "/.funcsvc/."],
)  # fmt: skip
def test_working_dir_in_the_starters_folder_is_refused(path):
    assert errors_of(with_option("Config.WorkingDir", path)) == {
        "Config.WorkingDir": [
            f'Config.WorkingDir is "{path}", but must be outside of /.funcsvc, which is this '
            "service's own."
        ]
    }


@pytest.mark.parametrize("path", ["/.funcsvc2", "/.func", "/a/.funcsvc", "/.funcsvc/../a", "/..."])
def test_working_dir_beside_the_starters_folder_is_accepted(path):
    assert answer(with_option("Config.WorkingDir", path))["Config"]["WorkingDir"] == path


@pytest.mark.parametrize("path", ["a", "./a", "../a", "~", " /a", "C:\\a", *NO_STRING])
def test_working_dir_that_is_not_absolute_is_refused(path):
    (sentence,) = errors_of(with_option("Config.WorkingDir", path))["Config.WorkingDir"]
    assert sentence.endswith("but must be an absolute path, one that starts with '/'.")


@pytest.mark.parametrize("labels", [{"a": "b"}, {"a": ""}, {"a.b/c": "ä", "d": "=\n"}])
def test_labels_are_accepted_and_returned(labels):
    assert answer(with_option("Config.Labels", labels))["Config"]["Labels"] == labels


def test_empty_labels_are_left_out():
    assert "Labels" not in answer(with_option("Config.Labels", {}))["Config"]


@pytest.mark.parametrize("labels", ["a=b", ["a=b"], [], 1, True])
def test_labels_that_are_no_object_are_refused(labels):
    (sentence,) = errors_of(with_option("Config.Labels", labels))["Config.Labels"]
    assert sentence.endswith("but must be an object of strings.")


def test_labels_that_are_no_strings_are_refused_under_their_key():
    labels = {"a": 1, "b": "x", "c.d": True, "e": ["x"], "f": {}}
    errors = errors_of(with_option("Config.Labels", labels))
    assert list(errors) == [f"Config.Labels.{key}" for key in ("a", "c.d", "e", "f")]
    assert errors["Config.Labels.a"] == ["Config.Labels.a is 1, but must be a string."]


@pytest.mark.parametrize(
    "signal",
    ["SIGTERM", "TERM", "term", "sigterm", "SIGKILL", "HUP", "USR1", "SIGRTMIN", "SIGRTMIN+1",
     "RTMIN+15", "RTMAX-14", "SIGRTMAX", "1", "15", "64", 1, 15, 64,
     2**63 - 1, str(2**63 - 1)],
)  # fmt: skip
def test_stop_signal_is_kept_and_returned(signal):
    returned = answer(with_option("Config.StopSignal", signal))["Config"]["StopSignal"]
    assert (returned, type(returned)) == (signal, type(signal))


@pytest.mark.parametrize(
    "signal",
    ["NOPE", "SIG", "SIGSIGTERM", "SIGNOPE", "TERM ", " 15", "+15", "-15", "1.5", "15\n", "१५",
     "RTMIN+16", "RTMAX-15", "UNUSED", 0, "0", "00", 2**63, str(2**63), "9" * 99,
     -1, -15, 1.5, 15.0, True, False, [], ["TERM"], {}],
)  # fmt: skip
def test_stop_signal_is_refused(signal):
    (sentence,) = errors_of(with_option("Config.StopSignal", signal))["Config.StopSignal"]
    assert sentence.endswith(
        "but must be a signal name such as SIGTERM or TERM, or an unsigned integer other than 0."
    )
