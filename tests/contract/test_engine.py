"""One suite for the fake and the real engine: images, commands, sizes."""

from __future__ import annotations

import contextlib
import gc
import json
import warnings

import docker
import pytest

from funcsvc.config import load_settings
from funcsvc.engine import DockerWebEngine
from funcsvc.model import (
    MAX_ARGUMENT_BYTES,
    MAX_PUBLISHED_PORTS,
    SIZES,
    Capacity,
    Func,
    Image,
    argument_bytes,
    parse_image_reference,
)
from funcsvc.model.errors import (
    ArgumentsTooLarge,
    EngineUnavailable,
    ImageInUse,
    ImageMissing,
    ImageNotFound,
    InvalidQuery,
    NoCommand,
    PullForbidden,
    SizeTooLarge,
    TooManyPublished,
)
from funcsvc.schemas import FuncSchema
from tests.contract.conftest import RUN_LABEL
from tests.fakes import FakeEngine

LADEN = [f"V{number:02}={'x' * 96_000}" for number in range(20)]
EXPOSED = [f"{port}/tcp" for port in range(1, MAX_PUBLISHED_PORTS + 1)]
UNKNOWN_ID = "sha256:" + "0123456789abcdef" * 4


def new_func(image: str, size: str = "s1", **config) -> Func:
    return FuncSchema().load_new(
        {"Name": "f", "ContainerSize": size, "Config": {"Image": image, **config}}
    )


def real_engine(docker_host: str, **settings: str) -> DockerWebEngine:
    environment = {f"FUNCSVC_{name.upper()}": value for name, value in settings.items()}
    return DockerWebEngine(
        load_settings({"DOCKER_HOST": docker_host, "FUNCSVC_PULL_POLICY": "never", **environment})
    )


@pytest.fixture(scope="session")
def capacity(docker_client) -> Capacity:
    """The capacity that the real engine reports."""
    info = docker_client.info()
    return Capacity(info["NCPU"], info["MemTotal"])


@pytest.fixture(scope="session")
def image_with_entrypoint(make_image) -> str:
    """The reference of an image that has an entrypoint and no command."""
    return make_image("entry", 'ENTRYPOINT ["/x"]')


@pytest.fixture(scope="session")
def laden_image(docker_client, make_image) -> str:
    """The reference of an image whose variables and ports leave little room for others."""
    reference = make_image("laden", 'CMD ["/x"]')
    container = docker_client.create_container(reference)
    repository, tag = reference.split(":")
    ports = {port: {} for port in EXPOSED}
    conf = {"Env": LADEN, "Cmd": ["/x"], "ExposedPorts": ports}
    docker_client.commit(container, repository, tag, conf=conf)
    docker_client.remove_container(container)
    return reference


@pytest.fixture(params=["fake", "real"])
def make_engine(
    request,
    docker_host,
    capacity,
    image,
    image_without_command,
    image_with_entrypoint,
    laden_image,
):
    """Make either of the two engines, with the same images and capacity."""

    def make(*, cap_cpus: bool = False):
        if request.param == "real":
            return real_engine(docker_host, cap_cpus=str(cap_cpus).lower())
        images = {
            image: Image("sha256:1", cmd=["/x"], entrypoint=[]),
            image_without_command: Image("sha256:2", cmd=[], entrypoint=[]),
            image_with_entrypoint: Image("sha256:3", cmd=[], entrypoint=["/x"]),
            laden_image: Image("sha256:4", ["/x"], [], env=LADEN, exposed_ports=EXPOSED),
        }
        return FakeEngine(images, capacity, cap_cpus=cap_cpus)

    return make


@pytest.fixture
def engine(make_engine):
    """Each of the two engines in turn."""
    return make_engine()


def test_engine_that_answers_passes_its_check(engine):
    engine.check()


def test_func_of_a_known_image_is_accepted(engine, image):
    engine.check_func(new_func(image))
    engine.check_func(new_func(f"docker.io/library/{image}"))


@pytest.mark.parametrize("suffix", ["-nope", f"@{UNKNOWN_ID}"])
def test_func_of_an_unknown_image_is_refused_where_nothing_is_pulled(engine, image, suffix):
    unknown = image.partition(":")[0] + suffix if "@" in suffix else image + suffix
    with pytest.raises(ImageNotFound) as caught:
        engine.check_func(new_func(unknown))
    assert caught.value.field_errors == {
        "Config.Image": [
            f'Config.Image is "{unknown}", but there is no such image: '
            "the engine doesn't have it, and pulls are turned off."
        ]
    }


def test_beginning_of_an_image_id_is_no_name(engine, docker_client, image):
    image_id = docker_client.inspect_image(image)["Id"].removeprefix("sha256:")
    with pytest.raises(ImageNotFound):
        engine.check_func(new_func(image_id[:12]))


def test_func_of_an_image_without_command_needs_one(engine, image_without_command):
    with pytest.raises(NoCommand) as caught:
        engine.check_func(new_func(image_without_command))
    assert caught.value.field_errors == {
        "Config.Cmd": [
            "Config.Cmd is missing, but is required: neither Config.Entrypoint nor the image "
            f'"{image_without_command}" says what to run.'
        ]
    }
    engine.check_func(new_func(image_without_command, Cmd=["/x"]))
    engine.check_func(new_func(image_without_command, Entrypoint=["/x"]))


@pytest.mark.parametrize("is_create", [True, False], ids=["create", "update"])
def test_func_is_measured_with_the_variables_of_its_image(engine, laden_image, is_create):
    check = engine.check_func if is_create else engine.check_environment
    room = MAX_ARGUMENT_BYTES - argument_bytes(LADEN) - argument_bytes(["/x", "A="])
    check(new_func(laden_image, Env=["A=" + "x" * room]))
    with pytest.raises(ArgumentsTooLarge):
        check(new_func(laden_image, Env=["A=" + "x" * (room + 1)]))


def test_ports_of_an_image_count_where_all_are_published(engine, laden_image):
    document = {"Name": "f", "ContainerSize": "s1", "HostConfig": {"PublishAllPorts": True}}
    for port in ("1", "1/udp"):
        config = {"Image": laden_image, "ExposedPorts": {port: {}}}
        func = FuncSchema().load_new({**document, "Config": config})
        with contextlib.nullcontext() if port == "1" else pytest.raises(TooManyPublished):
            engine.check_func(func)


def test_changed_environment_needs_no_image(engine, image):
    engine.check_environment(new_func(f"{image}-nope", Env=["A=b"]))


def test_entrypoint_of_an_image_is_enough(engine, image_with_entrypoint):
    engine.check_func(new_func(image_with_entrypoint))


@pytest.mark.parametrize("cap_cpus", [True, False])
@pytest.mark.parametrize("size", SIZES)
def test_size_is_accepted_if_and_only_if_it_fits_the_engine(
    make_engine, image, capacity, size, cap_cpus
):
    engine, wanted = make_engine(cap_cpus=cap_cpus), SIZES[size]
    cpus_fit = cap_cpus or wanted.cpus <= capacity.cpus
    if cpus_fit and wanted.memory_bytes <= capacity.memory_bytes:
        engine.check_func(new_func(image, size))
    else:
        with pytest.raises(SizeTooLarge) as caught:
            engine.check_func(new_func(image, size))
        assert list(caught.value.field_errors) == ["ContainerSize"]


@pytest.mark.parametrize("size", SIZES)
def test_size_alone_is_held_against_the_engine_as_with_its_func(make_engine, image, capacity, size):
    engine, wanted = make_engine(), SIZES[size]
    if wanted.cpus <= capacity.cpus and wanted.memory_bytes <= capacity.memory_bytes:
        engine.check_size(wanted)
        return
    messages = []
    checks = (lambda: engine.check_size(wanted), lambda: engine.check_func(new_func(image, size)))
    for check in checks:
        with pytest.raises(SizeTooLarge) as caught:
            check()
        messages.append(caught.value.message)
    assert messages[0] == messages[1]


def test_image_is_inspected_by_every_name_that_it_has(engine, image):
    inspection = engine.inspect_image(image)
    assert inspection["Config"]["Cmd"] == ["/x"]
    for name in (f"docker.io/library/{image}", inspection["Id"]):
        assert engine.inspect_image(name)["Id"] == inspection["Id"]


@pytest.mark.parametrize(
    "name",
    ["nope", f"nope@{UNKNOWN_ID}", UNKNOWN_ID, "0123456789ab", "..", "../containers", "a/../b",
     "Nope", "nope?x=1", "nope#x", "a b", "nope:", "é", "/", "nope/json", "%2e%2e", "nope\n", "\0"],
)  # fmt: skip
def test_image_that_is_not_there_is_missing(engine, name):
    with pytest.raises(ImageMissing) as caught:
        engine.inspect_image(name)
    assert caught.value.message.startswith('The engine has no image "')


@pytest.mark.parametrize("include_all", [True, False])
def test_images_are_listed_with_their_names(engine, image, include_all):
    listed = engine.list_images({}, include_all=include_all)
    (found,) = (one for one in listed if image in (one["RepoTags"] or ()))
    assert found["Id"] == engine.inspect_image(image)["Id"]
    assert engine.list_images({"reference": [image]}, include_all=include_all) == [found]
    assert engine.list_images({"reference": ["nope"]}, include_all=include_all) == []


@pytest.mark.parametrize("filters", [{"dangling": ["maybe"]}, {"before": ["nope"]}, {"x": ["y"]}])
def test_filters_that_the_engine_refuses_are_bad_queries(engine, filters):
    with pytest.raises(InvalidQuery) as caught:
        engine.list_images(filters, include_all=False)
    assert list(caught.value.field_errors) == ["filters"]
    assert "but must be filters that the engine can use" in caught.value.message


def test_pattern_that_the_engine_can_not_read_is_a_bad_query(docker_host):
    with pytest.raises(InvalidQuery):
        real_engine(docker_host).list_images({"reference": ["["]}, include_all=False)


@pytest.mark.parametrize("by", ["name", "id"])
def test_image_is_removed_by_its_name_or_its_id(request, make_removable, by):
    engine, name = make_removable(f"removed-by-{by}")
    image_id = engine.inspect_image(name)["Id"]
    said = engine.remove_image(name if by == "name" else image_id, force=False, noprune=True)
    assert said[0] == {"Untagged": name}
    assert {"Deleted": image_id} in said
    for gone in (name, image_id):
        with pytest.raises(ImageMissing):
            engine.inspect_image(gone)
    with pytest.raises(ImageMissing):
        engine.remove_image(name, force=True, noprune=False)


def test_engines_reason_not_to_remove_an_image_is_told(make_removable):
    engine, name = make_removable("twice", "twice-more")
    image_id = engine.inspect_image(name)["Id"]
    with pytest.raises(ImageInUse) as caught:
        engine.remove_image(image_id, force=False, noprune=False)
    assert caught.value.message.startswith(f'The image "{image_id}" can\'t be removed: ')
    assert caught.value.message.endswith(".")


@pytest.fixture(params=["fake", "real"])
def make_removable(request, docker_host, docker_client, run_id):
    """Make either engine with an image under one or more names, and return it and the first."""
    left = []

    def make(*names: str):
        names = tuple(f"funcsvc-test-{run_id}-{name}:latest" for name in names)
        if request.param == "fake":
            image = Image("sha256:" + "ab" * 32, cmd=["/x"], entrypoint=[])
            return FakeEngine(dict.fromkeys(names, image)), names[0]
        changes = [f"LABEL {RUN_LABEL}={run_id}", f"LABEL name={names[0]}"]
        left.extend(names)
        imported = docker_client.import_image_from_data(
            b"\0" * 1024, repository=names[0].removesuffix(":latest"), changes=changes
        )
        assert "sha256:" in imported
        for other in names[1:]:
            docker_client.tag(names[0], other.removesuffix(":latest"))
        return real_engine(docker_host), names[0]

    yield make
    for name in left:
        with contextlib.suppress(docker.errors.ImageNotFound):
            docker_client.remove_image(name)


def test_image_that_carries_the_starter_is_hidden(make_image, docker_host):
    name = make_image("carrier", "LABEL funcsvc.carrier=1")
    engine = real_engine(docker_host)
    with pytest.raises(ImageMissing):
        engine.inspect_image(name)
    assert engine.list_images({"reference": [name]}, include_all=True) == []


def test_info_has_what_clients_read_and_nothing_of_the_host(engine, docker_client, capacity):
    info = engine.get_info()
    assert (info["NCPU"], info["MemTotal"]) == (capacity.cpus, capacity.memory_bytes)
    assert info["ServerVersion"]
    assert info["Images"] > 0
    whole = docker_client.info()
    for key in ("Name", "ID", "DockerRootDir"):
        assert key not in info
        assert f'"{whole[key]}' not in json.dumps(info)
    assert "/" not in "".join(
        str(value)
        for key, value in info.items()
        if key not in ("IndexServerAddress", "OperatingSystem")
    )


@pytest.mark.parametrize("name", ["nope", "known"])
def test_pull_that_the_operator_forbids_is_refused_with_the_first_item(engine, image, name):
    progress = engine.pull_progress(parse_image_reference(image if name == "known" else name))
    with pytest.raises(PullForbidden) as caught:
        next(progress)
    shown = image if name == "known" else name
    assert caught.value.message == f'fromImage is "{shown}", but the operator forbids pulls.'


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("unix:///nonexistent/docker.sock", "its socket does not exist"),
        ("tcp://127.0.0.1:1", "nothing listens at its address"),
        ("unix:///dev/null", "nothing listens at its address"),
    ],
)
def test_engine_that_is_not_there_is_unavailable(address, reason, image):
    engine = real_engine(address, pull_policy="missing")
    messages = []
    with warnings.catch_warnings():
        # docker-py leaves a unix socket that it can't connect to the garbage collector
        warnings.simplefilter("ignore", ResourceWarning)
        for use in (
            engine.check,
            lambda: engine.check_func(new_func(image)),
            lambda: engine.check_size(SIZES["s1"]),
            lambda: engine.inspect_image(image),
            lambda: next(engine.pull_progress(parse_image_reference(image))),
            lambda: engine.list_images({}, include_all=False),
            lambda: engine.remove_image(image, force=False, noprune=False),
            lambda: engine.check_login({"username": "me", "password": "secret"}),
            engine.get_info,
        ):
            messages.append(message_of_refusal(use))
        gc.collect()
    assert messages == [f"The Docker Engine can't be used: it can't be reached: {reason}."] * 9


def message_of_refusal(use) -> str:
    try:
        use()
    except EngineUnavailable as error:
        return error.message
    return ""


def test_what_the_engine_said_of_an_image_is_believed_for_a_while(
    docker_host, docker_client, make_image
):
    reference = make_image("brief", 'CMD ["/x"]')
    believing = real_engine(docker_host, engine_remember_seconds="60")
    doubting = real_engine(docker_host, engine_remember_seconds="0")
    believing.check_func(new_func(reference))
    doubting.check_func(new_func(reference))
    docker_client.remove_image(reference)
    try:
        believing.check_func(new_func(reference))
        with pytest.raises(ImageNotFound):
            doubting.check_func(new_func(reference))
    finally:
        make_image("brief")


def test_image_that_came_since_is_seen_at_once(docker_host, make_image, image):
    engine = real_engine(docker_host, engine_remember_seconds="60")
    reference = image.partition(":")[0] + ":since"
    with pytest.raises(ImageNotFound):
        engine.check_func(new_func(reference))
    make_image("since", 'CMD ["/x"]')
    engine.check_func(new_func(reference))
