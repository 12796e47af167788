"""Compares the schema's verdict on options with the engine's own POST /containers/create.

`{peer}` stands for the name of an existing container, `{image}` for the test image.
"""

from __future__ import annotations

import json

import pytest
from docker.errors import APIError

from dev import images
from dev.servers.process import free_port
from funcsvc.engine.web_engine import check_command
from funcsvc.model import Image
from funcsvc.model.errors import InvalidDefinition
from funcsvc.schemas import FuncSchema
from funcsvc.schemas.signals import SIGNAL_NAMES
from tests.contract.conftest import RUN_LABEL
from tests.overlaps import APART, OVERLAPPING, bindings_of

TRIES = 3
BOUND = {"80/tcp": [{"HostIp": "", "HostPort": "8080"}]}
EXPOSED = {"80/tcp": {}}


def bound(host_port, host_ip: str = "") -> dict:
    return {"PortBindings": {"80/tcp": [{"HostIp": host_ip, "HostPort": host_port}]}}


NETWORKS = [
    ({}, {"NetworkMode": mode, **options})
    for mode in ("bridge", "host", "container:{peer}")
    for options in (
        {},
        {"Links": ["{peer}:db"]},
        {"Links": []},
        {"PortBindings": BOUND},
        {"PortBindings": {"80/tcp": []}},
        {"PortBindings": {}},
        {"PublishAllPorts": True},
        {"PublishAllPorts": False},
        {"VolumesFrom": ["{peer}"]},
        {"Links": ["{peer}:db"], "PublishAllPorts": True},
        {"PortBindings": BOUND, "PublishAllPorts": True},
    )
]
EXPOSURES = [
    ({"ExposedPorts": exposed}, {"NetworkMode": mode, **options})
    for mode in ("bridge", "host", "container:{peer}")
    for exposed in (EXPOSED, {})
    for options in ({}, {"PublishAllPorts": True})
]
SAME_VERDICT = [
    *NETWORKS,
    *EXPOSURES,
    ({}, {}),
    ({}, {"NetworkMode": "container:"}),
    ({}, {"Links": ["{peer}:db", "{peer}:db"]}),
    ({}, {"Links": ["/{peer}:db"]}),
    ({}, {"Links": ["{peer}"]}),
    ({}, {"Links": ["/{peer}"]}),
    ({}, {"NetworkMode": "host", "Links": ["{peer}"]}),
    ({}, {"NetworkMode": "container:{peer}", "Links": ["{peer}"]}),
    ({}, {"Links": [":db"]}),
    ({}, {"Links": ["{peer}:a:b"]}),
    ({}, {"Links": [1]}),
    ({}, {"VolumesFrom": ["{peer}:ro"]}),
    ({}, {"VolumesFrom": ["{peer}:rw"]}),
    ({}, {"VolumesFrom": ["{peer}", "{peer}"]}),
    ({}, {"VolumesFrom": ["{peer}:nope"]}),
    ({}, {"VolumesFrom": ["{peer}:ro:rw"]}),
    ({}, {"VolumesFrom": [""]}),
    ({}, {"VolumesFrom": ["a b"]}),
    *[({}, bound(port)) for port in ("", "1", "65535", "8000-8010", "8000-8000")],
    *[({}, bound(port)) for port in ("65536", "-1", "8010-8000", "8000-", "a", "+80", 80, True)],
    *[({}, bound("80", ip)) for ip in ("", "127.0.0.1", "0.0.0.0", "::1")],
    *[({}, {"PortBindings": {port: [{}]}}) for port in ("80", "80/tcp", "80/udp", "65535/tcp")],
    *[({}, {"PortBindings": {port: [{}]}}) for port in ("65536/tcp", "80-81/tcp", "x", "-1/tcp")],
    ({}, {"PortBindings": {"80/tcp": {"HostPort": "80"}}}),
    ({}, {"PortBindings": {"80/tcp": "80"}}),
    ({}, {"PortBindings": []}),
    ({}, {"PublishAllPorts": 1}),
    *[({"ExposedPorts": {port: {}}}, {}) for port in ("80", "80/tcp", "80/udp", "65535/tcp")],
    ({"ExposedPorts": {"80/tcp": 1}}, {}),
    ({"ExposedPorts": []}, {}),
    *[({"StopSignal": signal}, {}) for signal in ("TERM", "term", "SIGTERM", "9", "64", "99")],
    *[({"StopSignal": signal}, {}) for signal in ("0", "NOPE", "SIG", "SIGSIGTERM", True, ["9"])],
    *[({"StopSignal": signal}, {}) for signal in (str(2**63 - 1), str(2**63), "9" * 21)],
    *[({"StopSignal": signal}, {}) for signal in ("007", "0" * 40 + "9", "00", "0" + str(2**63))],
    *[({"WorkingDir": path}, {}) for path in ("/", "/a", "/a/../b", "/a b/")],
    *[({"WorkingDir": path}, {}) for path in ("a", "./a", "../a", 1, ["/"])],
    *[({"WorkingDir": path}, {}) for path in ("/a" * 255, "/" + "a" * 255, "/tmp" + "/." * 500)],
    *[({"WorkingDir": path}, {}) for path in ("/a" * 256, f"/{'a' * 256}", f"/{'a' * 249}" * 16)],
    *[({"Env": env}, {}) for env in ([], ["A=1"], ["A="], ["A=b=c"], ["A B=1"], ["A=1", "A=2"])],
    *[({"Env": env}, {}) for env in (["=1"], [""], ["A=1", "="], [None], [1], "A=1", {"A": "1"})],
    *[({"Labels": labels}, {}) for labels in ({}, {"a": ""}, {"": "a"}, {"a": "b"})],
    *[({"Labels": labels}, {}) for labels in ({"a": 1}, ["a"], "a", {"a": ["b"]})],
    *[({"Tty": tty}, {}) for tty in (True, False, 1, "true", [])],
    *[({"Cmd": cmd}, {}) for cmd in ([], ["a"], [""], "a b", [1], 1, {"a": "b"}, [["a"]])],
    ({"Entrypoint": ["a"]}, {}),
    ({"Entrypoint": "a b"}, {}),
    ({"Entrypoint": [""]}, {}),
    ({"Entrypoint": [""], "Cmd": ["a"]}, {}),
    ({"Entrypoint": ["", "a"]}, {}),
    ({"Entrypoint": [1]}, {}),
    *[({"Image": name}, {}) for name in ("{image}", "docker.io/library/{image}")],
    *[({"Image": name}, {}) for name in ("UPPER", "Upper/a", "a/b:", "a b", "a@sha256:1", ":x", 1)],
]
"""Config and HostConfig on which both verdicts must agree."""

STRICTER = [
    ({"Env": ["VAR"]}, {}),  # the contract: VAR=value
    ({"Cmd": [None]}, {}),  # the contract: a list of strings
    ({"StopSignal": "-1"}, {}),  # the contract: unsigned
    ({"StopSignal": ""}, {}),  # the contract: a name or an integer
    ({"WorkingDir": ""}, {}),  # the contract: an absolute path
    *[  # the contract: 1 to 65535, tcp or udp, one port
        ({"ExposedPorts": {port: {}}}, {})
        for port in ("80/sctp", "80/TCP", "0/tcp", "65536/tcp", "80-90/tcp", "x", "", "080", "80/")
    ],
    *[
        ({}, {"PortBindings": {port: [{}]}})
        for port in ("80/sctp", "80/icmp", "80/UDP", "0/tcp", "080/tcp")
    ],
    *[({}, bound(port)) for port in ("0", "080")],  # the contract: a port is 1 to 65535
    *[({}, bound("80", ip)) for ip in ("localhost", "300.1.1.1", "8.8.8.8/24")],  # fails at start
    *[  # more bindings than ports: fails at start
        ({}, {"PortBindings": {port: [{"HostIp": ip, "HostPort": "8000-8001"}] for port in ports}})
        for ports in (("80/tcp", "81/tcp", "82/tcp"),)
        for ip in ("", "127.0.0.1")
    ],
    (
        {},
        {"PortBindings": {"80/tcp": [{"HostPort": "80"}, {"HostIp": "0.0.0.0", "HostPort": "80"}]}},
    ),
    # the kernel: fails at start
    *[({key: ["x" * 131072]}, {}) for key in ("Cmd", "Entrypoint")],
    ({"Env": ["A=" + "x" * 131070]}, {}),
    ({}, {"Links": ["{peer}:" + "a" * 64000]}),
    *[  # the engine can't parse them, and publishes on every address
        ({}, bound("80", ip)) for ip in ("::1%lo", "127.0.0.1%lo", "127.0.0.01", "127.1", "::00001")
    ],
    *[
        ({"WorkingDir": path}, {})
        for path in ("/.funcsvc", "/.funcsvc/a", "//.funcsvc/../.funcsvc/")
    ],
    ({"WorkingDir": "/b" + f"/{'a' * 249}" * 14}, {}),  # a longer data root leaves no room
    ({}, {"PortBindings": {"80/tcp": [None]}}),
    *[({}, {"NetworkMode": mode}) for mode in ("none", "default", "", "my-network")],
    ({}, {"Links": ["{peer}:"]}),  # the contract: container_name:alias
    ({}, {"Links": ["{peer}:d b"]}),
    ({}, {"VolumesFrom": ["{peer}:"]}),  # the contract: nothing, ro or rw
    ({}, {"VolumesFrom": ["{peer}:z"]}),
]
"""What the contract refuses at definition time, and the engine accepts at creation."""

LOOSER = [
    ({"StopSignal": 9}, {}),  # the contract: an unsigned integer; the engine wants a string
]
"""What the contract accepts, and the engine refuses in this form."""


@pytest.fixture(scope="module")
def peer(docker_client, image, run_id):
    """The name of a container that others can link to, and whose network they can share."""
    name = f"funcsvc-test-{run_id}-peer"
    created = docker_client.create_container(image, name=name, labels={RUN_LABEL: run_id})
    yield name
    docker_client.remove_container(created["Id"], force=True, v=True)


@pytest.fixture
def verdicts(docker_client, image, peer, run_id):
    """Return two verdicts: the schema's (True or its errors), the engine's (True or its words)."""

    def both(config: dict, host_config: dict) -> tuple:
        text = json.dumps({"Config": {"Image": "{image}", **config}, "HostConfig": host_config})
        document = json.loads(text.replace("{peer}", peer).replace("{image}", image))
        return _schema_says(document), _engine_says(docker_client, document, run_id)

    return both


def _schema_says(document: dict):
    try:
        func = FuncSchema().load_new({"Name": "f", **document})
        check_command(func.config, Image("sha256:1", cmd=["/x"], entrypoint=[]))
    except InvalidDefinition as error:
        return dict(error.field_errors)
    return True


def _engine_says(docker_client, document: dict, run_id: str):
    body = {**document["Config"], "HostConfig": document["HostConfig"]}
    if isinstance(labels := body.get("Labels", {}), dict):
        body["Labels"] = {**labels, RUN_LABEL: run_id}
    url = f"{docker_client.base_url}/v1.41/containers/create"
    answer = docker_client.post(url, json=body)
    if answer.status_code != 201:
        return answer.json()["message"]
    docker_client.remove_container(answer.json()["Id"], force=True, v=True)
    return True


@pytest.fixture(scope="module")
def sleeping_image(docker_host, run_id):
    """An image whose containers do nothing for a while."""
    name = f"funcsvc-test-{run_id}:sleeps"
    images.import_image(docker_host, name, images.shell_tar(), ['CMD ["/bin/sleep", "60"]'])
    yield name
    images.remove_image(docker_host, name)


@pytest.mark.parametrize(
    ("host_ip", "published"),
    [
        ("", {"0.0.0.0", "::"}),
        ("0.0.0.0", {"0.0.0.0"}),
        ("127.0.0.1", {"127.0.0.1"}),
        ("::ffff:127.0.0.1", {"127.0.0.1"}),
        ("::FFFF:7f00:1", {"127.0.0.1"}),
    ],
)
def test_address_that_the_schema_takes_is_the_one_that_the_engine_publishes_on(
    docker_client, sleeping_image, run_id, host_ip, published
):
    document = {"Config": {"Image": sleeping_image}, "HostConfig": bound("", host_ip)}
    assert _schema_says(document) is True
    body = {"Image": sleeping_image, "Labels": {RUN_LABEL: run_id}, "ExposedPorts": EXPOSED}
    host_config = document["HostConfig"]
    made = docker_client.create_container_from_config({**body, "HostConfig": host_config})["Id"]
    try:
        docker_client.start(made)
        ports = docker_client.inspect_container(made)["NetworkSettings"]["Ports"]["80/tcp"]
        assert {port["HostIp"] for port in ports} <= published
        assert len(ports) >= 1
    finally:
        docker_client.remove_container(made, force=True, v=True)


def start_with(docker_client, image: str, run_id: str, host_config: dict) -> str | None:
    """Start a container and remove it. Return what the engine says if it can't."""
    made = docker_client.create_container_from_config(
        {
            "Image": image,
            "Labels": {RUN_LABEL: run_id},
            "ExposedPorts": {port: {} for port in host_config["PortBindings"]},
            "HostConfig": host_config,
        }
    )["Id"]
    try:
        docker_client.start(made)
    except APIError as error:
        return str(error.explanation)
    finally:
        docker_client.remove_container(made, force=True, v=True)
    return None


@pytest.mark.parametrize("pair", [*OVERLAPPING, *APART])
def test_engine_refuses_bindings_where_the_schema_sees_an_overlap(
    docker_client, sleeping_image, run_id, pair
):
    said = []
    for _ in range(TRIES):  # others on this machine can take a free port first
        bindings = bindings_of(pair, free_port(span=2))
        said.append(start_with(docker_client, sleeping_image, run_id, {"PortBindings": bindings}))
        if said[-1] is None:
            break
    overlap = all(it and ("already" in it or "in use" in it) for it in said)
    assert overlap == (pair in OVERLAPPING), said
    document = {"Config": {"Image": sleeping_image}, "HostConfig": {"PortBindings": bindings}}
    assert (_schema_says(document) is True) == (pair in APART)


def ids(case) -> str:
    return json.dumps(case)[:200]


@pytest.mark.parametrize(("config", "host_config"), SAME_VERDICT, ids=ids)
def test_schema_and_engine_agree(verdicts, config, host_config):
    ours, engines = verdicts(config, host_config)
    assert (ours is True) == (engines is True), f"schema: {ours}; engine: {engines}"


@pytest.mark.parametrize(("config", "host_config"), STRICTER, ids=ids)
def test_contract_is_stricter_than_the_engine(verdicts, config, host_config):
    ours, engines = verdicts(config, host_config)
    assert ours is not True
    assert engines is True


@pytest.mark.parametrize(("config", "host_config"), LOOSER, ids=ids)
def test_contract_is_looser_than_the_engine(verdicts, config, host_config):
    ours, engines = verdicts(config, host_config)
    assert ours is True
    assert engines is not True


def test_engine_knows_every_signal_that_the_schema_knows(verdicts):
    said = {name: verdicts({"StopSignal": name}, {}) for name in sorted(SIGNAL_NAMES)}
    assert {name: both for name, both in said.items() if both != (True, True)} == {}


@pytest.mark.parametrize(
    "config", [{}, {"Cmd": []}, {"Entrypoint": []}, {"Entrypoint": [""]}, {"Cmd": ["/x"]},
               {"Entrypoint": ["/x"]}]
)  # fmt: skip
def test_image_without_command_needs_one_here_and_at_the_engine(
    docker_client, image_without_command, run_id, config
):
    document = {"Config": {"Image": image_without_command, **config}, "HostConfig": {}}
    engines = _engine_says(docker_client, document, run_id)
    func = FuncSchema().load_new({"Name": "f", **document})
    try:
        check_command(func.config, Image("sha256:1", cmd=[], entrypoint=[]))
        ours = True
    except InvalidDefinition as error:
        ours = dict(error.field_errors)
    assert (ours is True) == (engines is True), f"ours: {ours}; engine: {engines}"
