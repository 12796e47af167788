"""What the commands ask of the machine: a free network, names, pid files of processes long dead."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from ipaddress import IPv4Network
from pathlib import Path

import pytest

from dev import servers
from dev.machine import as_root, bridge, dockerd, firewall
from dev.machine.waiting import NotInTime

EVERY = [*bridge.RANGE.subnets(new_prefix=24)]


def test_clean_needs_the_standard_library_alone() -> None:
    """The system's own python3 runs it, where there may be no virtual environment."""
    subprocess.run(
        [sys.executable, "-S", "-c", "import dev.clean"], cwd=servers.ROOT, check=True, timeout=60
    )


def test_clean_removes_all_that_git_ignores_the_starter_too(tmp_path: Path) -> None:
    shutil.copytree(servers.ROOT / "dev", tmp_path / "dev")
    (tmp_path / "funcsvc/starter").mkdir(parents=True)
    ignored = (servers.ROOT / ".gitignore").read_text().split()
    assert "funcsvc/starter/funcsvc-starter" in ignored
    for pattern in ignored:
        path = tmp_path / pattern.replace("*", "x")
        path.mkdir() if pattern.endswith("/") else path.touch()
    subprocess.run([sys.executable, "-S", "-m", "dev.clean"], cwd=tmp_path, check=True, timeout=60)
    left = {path.relative_to(tmp_path).parts[0] for path in tmp_path.rglob("*") if path.is_file()}
    assert left == {"dev"}
    assert [*(tmp_path / "funcsvc").rglob("*")] == [tmp_path / "funcsvc/starter"]


def test_network_of_a_bridge_is_the_one_that_no_route_overlaps() -> None:
    assert bridge.free_network(EVERY[:300] + EVERY[301:]) == EVERY[300]


@pytest.mark.parametrize(
    ("routes", "among"),
    [
        ([], "198.18.0.0/15"),
        (["10.0.0.0/8", "192.168.1.0/24"], "198.18.0.0/15"),
        (["198.18.0.0/16"], "198.19.0.0/16"),
        (["0.0.0.0/0"], "198.18.0.0/15"),
        (["0.0.0.0/1", "128.0.0.0/1", "198.19.0.0/16"], "198.18.0.0/16"),
    ],
)
def test_network_of_a_bridge_is_beside_the_routes(routes: list[str], among: str) -> None:
    network = bridge.free_network(map(IPv4Network, routes))
    assert network.subnet_of(IPv4Network(among))


@pytest.mark.parametrize(
    ("place", "namespace", "name"),
    [
        ("/run/funcsvc-0a1b2c3d", "funcsvc-0a1b2c3d", "func-0a1b2c3d"),
        ("/tmp/fsab_cd__e_", "fsabcde", "fsabcde"),
    ],
)
def test_names_of_an_engine_suit_containerd_and_the_kernel(
    place: str, namespace: str, name: str
) -> None:
    assert dockerd.namespace_of(Path(place)) == namespace
    assert dockerd.bridge_of(Path(place)) == name
    assert len(name) <= 15


@pytest.mark.parametrize(
    ("rules", "in_use"),
    [
        ([], False),
        (["-N DOCKER", "-A DOCKER-USER -j RETURN", "-A FORWARD -j DOCKER-USER"], False),
        (["-A DOCKER-FORWARD -j DOCKER-CT"], False),
        (["-A FORWARD -i br0 -j ACCEPT"], False),
        (["-A DOCKER-USER -d 169.254.0.0/16 -j DROP"], True),
        (["-A DOCKER -i docker0 -j RETURN"], True),
    ],
)
def test_chains_of_engines_go_only_where_they_do_nothing(rules: list[str], in_use: bool) -> None:
    assert firewall.in_use([rule.split() for rule in rules]) is in_use


@pytest.mark.parametrize("pid", [os.getpid(), 2**30], ids=["another's", "nobody's"])
@pytest.mark.parametrize("name", ["dockerd.pid", "exec/containerd/containerd.pid"])
def test_pid_file_of_a_dead_engine_is_removed(tmp_path: Path, name: str, pid: int) -> None:
    file = tmp_path / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f"{pid}\n")
    dockerd.make_way(tmp_path)
    assert not file.exists()


def test_containerd_of_a_dead_engine_is_waited_for(tmp_path: Path) -> None:
    """It goes with its dockerd, but a moment later."""
    program = tmp_path / "exec/containerd/containerd"
    program.parent.mkdir(parents=True)
    program.write_bytes(Path("/bin/sleep").read_bytes())
    program.chmod(0o755)
    with subprocess.Popen([program, "0.5"]) as process:
        command_line = Path(f"/proc/{process.pid}/cmdline")
        servers.wait_until(lambda: bytes(program) in command_line.read_bytes(), "it has begun")
        program.with_suffix(".pid").write_text(str(process.pid))
        dockerd.make_way(tmp_path)
        assert process.wait(servers.PATIENCE_SECONDS) == 0
    assert not program.with_suffix(".pid").exists()


WITH_ROOT_SIDE = """
import os, signal, sys
from pathlib import Path
from dev.machine import as_root, processes
os.geteuid = lambda: 1000
with as_root.root_side(Path(sys.argv[1])) as path:
    {}
"""
KILL = "os.kill(processes.children_of(os.getpid())[0], signal.SIGKILL)"
ASK_NONSENSE = """
    for _ in range(40):
        with as_root.connect(path) as connection:
            connection.send(b"no JSON")
            connection.recv(1)
    sys.exit(as_root.run_there(path, ["true"]))
"""


def with_root_side(folder: Path, script: str, sudo: str) -> subprocess.CompletedProcess[str]:
    """Run a script with a root side in a folder, as a user who has this sudo."""
    (folder / "sudo").write_text(f'#!/bin/sh\n{sudo}\nexec "$@"\n')
    (folder / "sudo").chmod(0o755)
    return subprocess.run(
        [sys.executable, "-c", WITH_ROOT_SIDE.format(script), folder / "place"],
        cwd=servers.ROOT,
        env={"PATH": f"{folder}:{servers.SEARCH_PATH}"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("wants_password", [False, True])
def test_root_side_that_was_killed_is_replaced_or_leaves_a_sentence(
    *, wants_password: bool
) -> None:
    then = "exit 1" if wants_password else "shift"
    with servers.folder() as folder:
        done = with_root_side(folder, KILL, f"if [ $1 = --non-interactive ]; then {then}; fi")
        assert (folder / "place").exists() is wants_password
    said = f"{as_root.NOT_UNDONE}\n" if wants_password else ""
    assert (done.stderr, done.returncode) == (said, int(wants_password))


def test_request_that_fails_does_not_cost_the_root_side_a_place() -> None:
    with servers.folder() as folder:
        assert with_root_side(folder, ASK_NONSENSE, "").returncode == 0


def test_condition_that_does_not_come_true_says_what_was_waited_for() -> None:
    with pytest.raises(NotInTime, match=r"^not within 0\.1 seconds: it rains$"):
        servers.wait_until(lambda: False, "it rains", 0.1)
    assert servers.wait_until(lambda: 7, "it is seven", 0.1) == 7
