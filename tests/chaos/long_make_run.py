"""`make run`: how it ends, what it leaves, what it shares. Run by `make chaos`."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import docker
import pytest

from dev import servers
from dev.machine import places, processes
from tests.e2e.machine import own_machine
from tests.e2e.make_run import READY, MakeRun, make_checkout, make_run

FUNC = {"Name": "slow", "Config": {"Image": "busybox", "Cmd": ["sleep", "1000"]}}


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    return make_checkout(tmp_path / "one")


@contextlib.contextmanager
def own_engine(run: MakeRun) -> Iterator[docker.APIClient]:
    """A client of its engine; skips where this machine has one at the default socket."""
    if "; engine: unix:///run/funcsvc-" not in run.shown:
        pytest.skip("an engine is there already, and `make run` takes it")
    place = places.runtime_folder("run", run.checkout)
    address = f"unix://{place}/docker.sock"
    with docker.APIClient(base_url=address, version="1.41", timeout=30) as api:
        yield api


def run_calls(run: MakeRun) -> None:
    """Have two calls that run, and a network."""
    created = run.request("POST", "/funcs/create", FUNC)
    path = f"{FUNC['Name']}/{created[1]['UUID']}"
    for _ in range(2):
        assert run.request("POST", f"/call/{path}")[0] == 200
    servers.wait_until(lambda: run.request("GET", f"/status/{path}")[1]["Running"] == 2, "both run")
    with own_engine(run) as api:
        network = api.create_network("of-its-users")["Id"]
    servers.wait_until(lambda: run.note_containers(f"br-{network[:12]}") >= 2, "both have a shim")


@pytest.mark.parametrize(
    ("end", "status"),
    [
        (lambda run: run.type("\x03"), 0),
        (lambda run: run.type("\x1c"), 0),
        (lambda run: run.type("\x1a\x03"), 0),
        (lambda run: [os.kill(run.pid(), signal.SIGHUP) for _ in range(3)], 0),
        (lambda run: run.process.terminate(), -signal.SIGTERM),
        (lambda run: run.process.kill(), -signal.SIGKILL),
        (lambda run: os.kill(run.pid(), signal.SIGKILL), 2),
        (MakeRun.close_terminal, -signal.SIGHUP),
        (lambda run: [os.kill(run.root_side(), signal.SIGKILL), run.type("\x03")], 0),
    ],
    ids=[
        "ctrl-c",
        "ctrl-\\",
        "ctrl-z",
        "SIGHUP",
        "SIGTERM",
        "make-killed",
        "killed",
        "closed",
        "root-side-killed",
    ],
)
def test_nothing_is_left_however_it_ends(
    checkout: Path, end: Callable[[MakeRun], None], status: int
) -> None:
    with make_run(checkout, {}) as run:
        run.wait_for(READY)
        run_calls(run)
        end(run)
        assert run.wait() == status, run.shown
        servers.wait_until(lambda: not run.left(), "nothing is left of it", 90)
        assert run.left_by_containers() == []
        assert "assword" not in run.shown


def test_end_of_supervisord_is_told_from_that_of_the_service(checkout: Path) -> None:
    with make_run(checkout, {}) as run:
        run.wait_for(READY)
        os.kill(run.supervisord(), signal.SIGKILL)
        assert run.wait() == 2
        assert "supervisord, which keeps the service going, was ended: see " in run.shown
        assert "again and again" not in run.shown
        servers.wait_until(lambda: not run.left(), "nothing is left of it", 90)


def test_ctrl_c_before_it_has_begun_shows_no_trace(checkout: Path) -> None:
    with make_run(checkout, {}) as run:
        servers.wait_until(run.has_begun, "make has begun it")
        run.type("\x03")
        run.wait()
        assert "Traceback" not in run.shown
        servers.wait_until(lambda: not run.left(), "nothing is left of it")


def test_folder_that_cannot_be_written_is_named(checkout: Path) -> None:
    (checkout / "var").write_text("in the way")
    with make_run(checkout, {}) as run:
        assert run.wait() == 2
        assert f"File exists: '{checkout}/var" in run.shown or "Not a directory" in run.shown
        assert "Traceback" not in run.shown


def kill_all(run: MakeRun) -> None:
    """Kill every process at once, before any can see that another has ended."""
    words = (str(run.checkout).encode(), places.runtime_folder("run", run.checkout).name.encode())
    pids = [run.process.pid, run.pid()]
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            if any(word in path.read_bytes() for word in words):
                pids.append(int(path.parent.name))
    for pid in [*pids, *(child for parent in pids for child in processes.children_of(parent))]:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    run.wait()


def test_next_start_clears_away_what_was_killed(checkout: Path) -> None:
    with make_run(checkout, {}) as run:
        run.wait_for(READY)
        run_calls(run)
        kill_all(run)
        assert run.left_by_containers()
    with make_run(checkout, {}) as again:
        again.wait_for(READY)
        assert [func["Name"] for func in again.request("GET", "/funcs")[1]] == [FUNC["Name"]]
        again.type("\x03")
        assert again.wait() == 0
        assert run.left() == run.left_by_containers() == []


def test_clean_clears_away_what_was_killed(checkout: Path) -> None:
    with make_run(checkout, {}) as run:
        run.wait_for(READY)
        run_calls(run)
        kill_all(run)
        subprocess.run(["python3", "-m", "dev.clean"], cwd=checkout, check=True, timeout=60)
        assert run.left() == run.left_by_containers() == []
        assert not (checkout / "var").exists()


def test_two_checkouts_share_nothing(checkout: Path, tmp_path: Path) -> None:
    """The end of one is nothing to the other, too."""
    other = make_checkout(tmp_path / "other")
    with make_run(checkout, {}) as one, make_run(other, {}) as two:
        one.wait_for(READY)
        two.wait_for(READY)
        assert one.request("POST", "/funcs/create", FUNC)[0] == 201
        assert two.request("POST", "/funcs/create", FUNC)[0] == 201
        one.type("\x03")
        assert one.wait() == 0
        status, funcs = two.request("GET", "/funcs")
        assert (status, len(funcs)) == (200, 1)


def test_two_that_end_as_they_began_leave_the_machine_as_it_was(
    checkout: Path, tmp_path: Path
) -> None:
    other = make_checkout(tmp_path / "other")
    with own_machine() as machine:
        before = machine.state()
        command = machine.command_with_sys(tmp_path / "cgroups", "make", "run")
        with make_run(checkout, {}, command) as one:
            one.wait_for(READY)
            with make_run(other, {}, command) as two:
                two.wait_for(READY)
                assert machine.state() != before
                for run in (one, two):
                    run.type("\x03")
                    assert run.wait() == 0
        assert machine.state() == before
        assert machine.notes() == []


def test_service_at_a_unix_socket_is_ready_there(checkout: Path, tmp_path: Path) -> None:
    path = tmp_path / "web.sock"
    given = {"FUNCSVC_BIND": f"unix:{path}"}
    with make_run(checkout, given) as run:
        run.wait_for(f"{READY} unix:{path}")
        run.wait_for(f"--unix-socket {path} ")
        assert servers.exchange_over_unix_socket(path, "GET", "/funcs").json == []
        with make_run(make_checkout(tmp_path / "other"), given) as second:
            assert second.wait() == 2
            assert f"can't listen at unix:{path}: Address already in use." in second.shown


def test_redis_that_is_named_is_used_and_not_forgotten(checkout: Path) -> None:
    with servers.redis_server() as redis:
        with make_run(checkout, {"FUNCSVC_REDIS_URL": redis.url}) as run:
            run.wait_for(READY)
            assert f"redis: {redis.url} (was there)" in run.shown
            run.type("\x03")
            assert run.wait() == 0
        assert redis.is_running
        with make_run(checkout, {}) as run:
            assert run.wait() == 2
            assert f"a Redis at {redis.url}, but now it would use one of its own" in run.shown


def test_redis_that_a_file_names_is_used(checkout: Path, tmp_path: Path) -> None:
    file = tmp_path / "url"
    with servers.redis_server(requirepass="secret-word") as redis:
        file.write_text(redis.url.replace("//", "//:secret-word@"))
        with make_run(checkout, {"FUNCSVC_REDIS_URL_FILE": str(file)}) as run:
            run.wait_for(READY)
            assert f"redis: {redis.url} (was there)" in run.shown
            assert "secret" not in run.shown


def test_functions_of_own_engine_reach_each_other_by_links_alone(checkout: Path) -> None:
    listen = ["sh", "-c", "while true; do echo here | nc -l -p 80; done"]
    with make_run(checkout, {}) as run:
        run.wait_for(READY)
        with own_engine(run) as api:
            other = api.create_container("busybox", listen, name="other", ports=[80])
            api.start(other)
            address = api.inspect_container(other)["NetworkSettings"]["IPAddress"]
            assert reach(api, address) == ""
            assert reach(api, "linked", links={"other": "linked"}) == "here\n"


def reach(api: docker.APIClient, host: str, **options: object) -> str:
    """Return what a container hears at port 80 of a host."""
    command = ["sh", "-c", f"for i in 1 2 3; do echo | nc -w 2 {host} 80 && break; done"]
    made = api.create_container("busybox", command, host_config=api.create_host_config(**options))
    api.start(made)
    api.wait(made, timeout=60)
    return str(api.logs(made, stderr=False).decode())
