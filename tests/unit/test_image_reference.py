"""Image references: the grammar and normalisation of the Docker reference format."""

from __future__ import annotations

import pytest

from funcsvc.model import InvalidReference, parse_image_reference

HEX = "0123456789abcdef" * 4
SHA256 = f"sha256:{HEX}"


@pytest.mark.parametrize(
    ("text", "canonical", "familiar"),
    [
        ("ubuntu", "docker.io/library/ubuntu:latest", "ubuntu:latest"),
        ("ubuntu:22.04", "docker.io/library/ubuntu:22.04", "ubuntu:22.04"),
        ("library/ubuntu", "docker.io/library/ubuntu:latest", "ubuntu:latest"),
        ("docker.io/ubuntu", "docker.io/library/ubuntu:latest", "ubuntu:latest"),
        ("index.docker.io/ubuntu", "docker.io/library/ubuntu:latest", "ubuntu:latest"),
        ("docker.io/library/ubuntu", "docker.io/library/ubuntu:latest", "ubuntu:latest"),
        ("team/tool", "docker.io/team/tool:latest", "team/tool:latest"),
        ("team/a/b/c", "docker.io/team/a/b/c:latest", "team/a/b/c:latest"),
        ("localhost/tool", "localhost/tool:latest", "localhost/tool:latest"),
        ("localhost:5000/tool", "localhost:5000/tool:latest", "localhost:5000/tool:latest"),
        ("tool:5000", "docker.io/library/tool:5000", "tool:5000"),
        ("host:5000/tool:v1", "host:5000/tool:v1", "host:5000/tool:v1"),
        ("example.com/tool", "example.com/tool:latest", "example.com/tool:latest"),
        ("Example.COM/tool", "Example.COM/tool:latest", "Example.COM/tool:latest"),
        ("127.0.0.1:5000/a/b:c", "127.0.0.1:5000/a/b:c", "127.0.0.1:5000/a/b:c"),
        (f"ubuntu@{SHA256}", f"docker.io/library/ubuntu@{SHA256}", f"ubuntu@{SHA256}"),
        (f"ubuntu:1@{SHA256}", f"docker.io/library/ubuntu:1@{SHA256}", f"ubuntu:1@{SHA256}"),
        ("docker.io", "docker.io/library/docker.io:latest", "docker.io:latest"),
        ("localhost", "docker.io/library/localhost:latest", "localhost:latest"),
    ],
)
def test_parse_normalises_as_the_engine_does(text, canonical, familiar):
    reference = parse_image_reference(text)
    assert (reference.text, reference.canonical, reference.familiar) == (text, canonical, familiar)


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("ubuntu", "latest"),
        ("ubuntu:22.04", "22.04"),
        (f"ubuntu@{SHA256}", SHA256),
        (f"ubuntu:22.04@{SHA256}", SHA256),
    ],
)
def test_version_is_the_digest_or_else_the_tag(text, version):
    assert parse_image_reference(text).version == version


@pytest.mark.parametrize(
    "text",
    [
        "a",
        "0",
        "a.b",
        "a_b",
        "a__b",
        "a-b",
        "a--b",
        "a---b",
        "a.b_c-d__e",
        "1.2/3",
        "a/b.c/d_e",
        "a:B",
        "a:_",
        "a:1.2-3_4",
        f"a:{'t' * 128}",
        "a-b.c-d:65535/e",
        "xn--n3h.com/a",
        HEX[:63],
        HEX + "0",
        f"{HEX}:latest".replace("f", "z"),
        f"a@sha384:{'a' * 96}",
        f"a@sha512:{'a' * 128}",
    ],
)
def test_parse_accepts_what_the_grammar_has(text):
    assert parse_image_reference(text).text == text


LOWER = "a repository name is lower case"
PATH = (
    "a repository name is parts of a-z and 0-9, joined by '.', '_', '__' or '-', "
    "with '/' between parts"
)
TAG = "a tag is 1 to 128 letters, digits, '_', '.' and '-', and doesn't start with '.' or '-'"
HOST = "a registry is a host name with an optional port"
ALGORITHM = "a digest starts with 'sha256:', 'sha384:' or 'sha512:'"
IMAGE_ID = "a name of 64 hexadecimal digits would be taken for an image id"


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("", PATH),
        (" ", PATH),
        ("a b", PATH),
        (" a", PATH),
        ("a ", PATH),
        ("a\n", PATH),
        ("-a", PATH),
        ("a-", PATH),
        (".a", PATH),
        ("a.", PATH),
        ("_a", PATH),
        ("a..b", PATH),
        ("a___b", PATH),
        ("a._b", PATH),
        ("a//b", PATH),
        ("/a", PATH),
        ("a/", PATH),
        ("a/b/", PATH),
        ("ä", PATH),
        ("https://example.com/a", HOST),
        ("Ubuntu", LOWER),
        ("team/Tool", LOWER),
        ("example.com/Tool", LOWER),
        ("a:", TAG),
        ("a:.b", TAG),
        ("a:-b", TAG),
        ("a:b c", TAG),
        (f"a:{'t' * 129}", TAG),
        ("a:b\n", TAG),
        ("example.com:/a", HOST),
        ("-example.com/a", HOST),
        ("example..com/a", HOST),
        ("example.com:x/a", HOST),
        ("exa_mple.com/a", HOST),
        ("a@", ALGORITHM),
        ("a@sha256", "a sha256 digest is 64 lower-case hexadecimal digits"),
        ("a@md5:" + "a" * 32, ALGORITHM),
        (f"a@sha256:{HEX[:-1]}", "a sha256 digest is 64 lower-case hexadecimal digits"),
        (f"a@sha256:{HEX}0", "a sha256 digest is 64 lower-case hexadecimal digits"),
        (f"a@sha256:{HEX.upper()}", "a sha256 digest is 64 lower-case hexadecimal digits"),
        (f"a@{SHA256}@{SHA256}", "a sha256 digest is 64 lower-case hexadecimal digits"),
        (f"a@sha512:{HEX}", "a sha512 digest is 128 lower-case hexadecimal digits"),
        (HEX, IMAGE_ID),
        ("f" * 64, IMAGE_ID),
        (f"@{SHA256}", PATH),
    ],
)
def test_parse_refuses_with_the_rule_that_is_broken(text, rule):
    with pytest.raises(InvalidReference) as caught:
        parse_image_reference(text)
    assert str(caught.value) == rule


def test_a_full_name_may_have_255_characters_and_no_more():
    prefix = "docker.io/library/"
    longest = "a" * (255 - len(prefix))
    assert len(parse_image_reference(longest).name) == 255
    assert len(parse_image_reference(f"{longest}:{'t' * 128}").name) == 255
    with pytest.raises(InvalidReference, match="at most 255 characters"):
        parse_image_reference(longest + "a")


def test_a_full_name_counts_its_registry():
    host = "registry.example.com:5000"
    longest = f"{host}/{'a' * (255 - len(host) - 1)}"
    assert parse_image_reference(longest).name == longest
    with pytest.raises(InvalidReference, match="at most 255 characters"):
        parse_image_reference(longest + "a")


@pytest.mark.parametrize(
    "text", ["a-" * 20000, "a" * 100_000, ("a" * 30 + ".") * 3000, "a/" * 9999]
)
def test_parse_refuses_long_texts_in_no_time(text):
    with pytest.raises(InvalidReference):
        parse_image_reference(text)
