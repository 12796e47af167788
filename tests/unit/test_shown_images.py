"""Which images and names an allow-list shows, and which references mean an image."""

from __future__ import annotations

import pytest

from funcsvc.model import ImageNames, Policy, parse_image_reference, registry_host
from funcsvc.model.errors import ImageInUse, ImageMissing
from funcsvc.web.shown_images import ShownImages

ID = "sha256:" + "ab" * 32
DIGEST = "sha256:" + "cd" * 32
IMAGE = {
    "Id": ID,
    "RepoTags": ["ubuntu:22.04", "ubuntu:secret", "registry.example.com/team/tool:v1"],
    "RepoDigests": [f"ubuntu@{DIGEST}", f"registry.example.com/team/tool@{DIGEST}"],
}
DANGLING = {"Id": ID, "RepoTags": ["<none>:<none>"], "RepoDigests": ["<none>@<none>"]}
NAMELESS = {"Id": ID, "RepoTags": None, "RepoDigests": None}


def shown(*patterns: str) -> ShownImages:
    return ShownImages(Policy(allowed_images=patterns))


@pytest.mark.parametrize("image", [IMAGE, DANGLING, NAMELESS])
def test_without_an_allow_list_every_image_is_shown_as_it_is(image):
    assert [*shown().list([image])] == [image]
    assert shown().get(ID, image) == image


@pytest.mark.parametrize(
    ("pattern", "tags", "digests"),
    [
        ("ubuntu:22.04", [0], [0]),
        ("ubuntu", [0, 1], [0]),
        ("registry.example.com/**", [2], [1]),
        (f"ubuntu@{DIGEST}", [], [0]),
        ("**", [0, 1, 2], [0, 1]),
    ],
)
def test_hidden_names_are_left_out(pattern, tags, digests):
    expected = {
        "Id": ID,
        "RepoTags": [IMAGE["RepoTags"][n] for n in tags],
        "RepoDigests": [IMAGE["RepoDigests"][n] for n in digests],
    }
    assert [*shown(pattern).list([IMAGE])] == [expected]
    assert shown(pattern).get(ID, IMAGE) == expected


@pytest.mark.parametrize("image", [IMAGE, DANGLING, NAMELESS])
def test_image_without_a_shown_name_is_hidden(image):
    assert [*shown("debian").list([image])] == []
    with pytest.raises(ImageMissing):
        shown("debian").get(ID, image)


@pytest.mark.parametrize(
    ("name", "is_shown"),
    [
        ("ubuntu:22.04", True),
        ("docker.io/library/ubuntu:22.04", True),
        (f"ubuntu@{DIGEST}", True),
        (ID, True),
        ("abab", True),
        ("ubuntu:secret", False),
        ("registry.example.com/team/tool:v1", False),
        (f"registry.example.com/team/tool@{DIGEST}", False),
    ],
)
def test_image_is_found_by_its_shown_names_and_its_id(name, is_shown):
    if is_shown:
        assert shown("ubuntu:22.04").get(name, IMAGE)["Id"] == ID
    else:
        with pytest.raises(ImageMissing):
            shown("ubuntu:22.04").get(name, IMAGE)


@pytest.mark.parametrize(
    ("name", "patterns", "may_go"),
    [
        ("ubuntu:22.04", ["ubuntu:22.04"], True),
        (ID, ["ubuntu:22.04"], False),
        ("abab", ["ubuntu:22.04"], False),
        (ID, ["**"], True),
        (ID, [], True),
    ],
)
def test_id_removes_no_hidden_name(name, patterns, may_go):
    if may_go:
        shown(*patterns).check_removal(name, IMAGE)
    else:
        with pytest.raises(ImageInUse, match="hides another of its names"):
            shown(*patterns).check_removal(name, IMAGE)


@pytest.mark.parametrize(
    ("reference", "means_it"),
    [
        ("ubuntu:22.04", True),
        ("ubuntu", False),
        ("index.docker.io/library/ubuntu:22.04", True),
        (f"ubuntu@{DIGEST}", True),
        (f"ubuntu:any@{DIGEST}", True),
        (f"debian@{DIGEST}", False),
        (f"ubuntu@{ID}", False),
        ("registry.example.com/team/tool:v1", True),
        ("team/tool:v1", False),
    ],
)
def test_reference_means_an_image_as_the_engine_resolves_it(reference, means_it):
    names = ImageNames.parse(ID, [*IMAGE["RepoTags"], *IMAGE["RepoDigests"], "<none>:<none>"])
    assert names.include(parse_image_reference(reference)) is means_it


@pytest.mark.parametrize(
    ("address", "host"),
    [
        ("", "docker.io"),
        ("https://index.docker.io/v1/", "docker.io"),
        ("registry.example.com:5000", "registry.example.com:5000"),
        ("http://user:hunter2@registry.example.com/v2/?x#y", "registry.example.com"),
        ("user:hunter2@registry.example.com", "registry.example.com"),
    ],
)
def test_host_of_a_registry_is_named_without_secrets(address, host):
    assert registry_host(address) == host
