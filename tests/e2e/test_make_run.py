"""`make run` at a terminal, with an engine that is there. tests/chaos/long_make_run.py has more.

One run serves all, and the last test ends it.
"""

from __future__ import annotations

import os
import signal
import stat
import subprocess
from collections.abc import Iterator

import pytest

from dev import servers
from dev.run import Address
from tests.e2e.make_run import READY, MakeRun, make_checkout, make_run


@pytest.fixture(scope="module")
def run(
    tmp_path_factory: pytest.TempPathFactory, module_engine: servers.EngineServer
) -> Iterator[MakeRun]:
    """One in a path that is too long for a socket in it, and has a space."""
    checkout = make_checkout(tmp_path_factory.mktemp("deep") / ("x" * 100) / "with a space")
    with make_run(checkout, {"DOCKER_HOST": module_engine.host}) as begun:
        begun.wait_for(READY)
        begun.wait_for("/funcs/create\r\n\r\n")
        yield begun


def test_one_line_says_what_is_in_use_and_the_address_comes_last(
    run: MakeRun, module_engine: servers.EngineServer
) -> None:
    used, *warned, address, example = [line for line in run.shown.splitlines() if line]
    assert all("reach each other" in line for line in warned), warned
    assert used.startswith("redis: unix:///run/funcsvc-")
    assert "redis.sock (its own, data in var/run/redis); " in used
    assert f"engine: {module_engine.host} (was there). Logs: var/run/log." in used
    assert address == f"{READY} http://127.0.0.1:{run.port}; Ctrl-C ends it. Try:"
    assert example.startswith("curl -i ")


def test_example_works_where_curl_is_not_installed(
    run: MakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setenv("PATH", "/nowhere")
        example = Address(f"127.0.0.1:{run.port}").example()
    assert example.startswith("python3 -c ")
    done = subprocess.run(["sh", "-c", example], check=True, capture_output=True, text=True)
    assert '"Name": "helloworld"' in done.stdout
    assert run.request("DELETE", "/funcs/helloworld")[0] == 204


def test_socket_whose_folder_is_missing_is_refused_before_anything_starts() -> None:
    bind = "unix:/nonexistent/web.sock"
    with pytest.raises(SystemExit, match=f"listen at {bind}: No such file or directory."):
        Address(bind).exit_if_taken()


@pytest.mark.parametrize("has_curl", [True, False])
def test_example_works_with_an_access_key_in_its_place(
    own_redis: servers.RedisServer, monkeypatch: pytest.MonkeyPatch, *, has_curl: bool
) -> None:
    with servers.service(
        redis_url=own_redis.url, docker_host="unix:///nonexistent", access_keys="mine:word"
    ) as web:
        address = Address(f"127.0.0.1:{web.port}", wants_key=True)
        with monkeypatch.context() as patch:
            if not has_curl:
                patch.setenv("PATH", "/nowhere")
            example = address.example()
        assert "KEY:SECRET" in address.hint()
        command = example.replace("KEY:SECRET", "mine:word")
        subprocess.run(["sh", "-c", command], check=False, timeout=60)
        lines = [line for line in web.access_lines() if line["path"] == "/funcs/create"]
        assert [line["status"] for line in lines] == [500]  # there is no engine, and no 401


def test_own_redis_keeps_its_data_and_listens_for_this_user_alone(run: MakeRun) -> None:
    path = run.shown.partition("unix://")[2].partition(" ")[0]
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o700
    assert "--port 0 " in (run.checkout / "var/run/supervisord.conf").read_text()
    assert any((run.checkout / "var/run/redis/appendonlydir").iterdir())


def test_requests_are_shown_in_one_form_and_probes_are_not(run: MakeRun) -> None:
    assert run.request("GET", "/readyz")[0] == 200
    assert run.request("GET", "/funcs") == (200, [])
    run.wait_for(" web    GET /funcs → 200, ")
    assert "/readyz" not in run.shown


def test_own_servers_log_never_says_that_they_listen_nowhere(run: MakeRun) -> None:
    text = (run.checkout / "var/run/log/web.log").read_text()
    assert f"funcsvc listens at 127.0.0.1:{run.port}" in text
    assert "Listening at" not in text


def test_pull_that_fails_leaves_no_lock_in_the_temporary_folder(run: MakeRun) -> None:
    body = {"Name": "nothing", "Config": {"Image": "127.0.0.1:1/nothing"}}
    assert run.request("POST", "/funcs/create", body)[0] in (404, 500)
    assert [*run.temporary.iterdir()] == []


def test_upgrade_is_refused_and_the_service_goes_on(run: MakeRun) -> None:
    os.kill(run.gunicorn(), signal.SIGUSR2)
    run.wait_for("If `make run` started it, end that and start it again.")
    assert run.request("GET", "/funcs") == (200, [])


def test_three_times_ctrl_c_ends_it_well_and_leaves_nothing(run: MakeRun) -> None:
    assert run.left()
    run.type("\x03")
    run.wait_for("Stopping…")  # each Ctrl-C has the terminal drop what it hasn't shown yet
    run.type("\x03\x03")
    assert run.wait() == 0
    assert "Traceback" not in run.shown
    assert run.left() == []
