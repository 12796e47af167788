"""SIGUSR2: a new master beside the old one, and not one request lost in the change."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from pathlib import Path

import pytest

from dev import servers
from dev.machine.processes import children_of
from tests.e2e.load import under_load

NO_ENGINE = "unix:///nonexistent"
COMMANDS = {
    "module": servers.WEB_COMMAND,
    "program": [str(Path(sys.executable).with_name("gunicorn")), *servers.WEB_COMMAND[3:]],
}


def new_master(web: servers.Service) -> int | None:
    """Return the pid of the master that an upgrade has started, once its workers are there."""
    for pid in children_of(web.pid):
        if len(children_of(pid)) == 2:
            return pid
    return None


def is_gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def end_masters(web: servers.Service) -> None:
    """End both masters, should the test have failed before it did so."""
    left = [pid for pid in children_of(web.pid) if children_of(pid)] if web.is_running else []
    web.end()
    for pid in left:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)


@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS)
def test_upgrade_loses_no_request(own_redis: servers.RedisServer, command: list[str]) -> None:
    with servers.folder() as place:
        web = servers.make_service(
            place, redis_url=own_redis.url, docker_host=NO_ENGINE, workers=2, log_level="warning"
        )
        web.command = command
        try:
            web.start()
            with under_load(web, ("GET", "/funcs", None)) as answers:
                os.kill(web.pid, signal.SIGUSR2)
                pid = servers.wait_until(lambda: new_master(web), "the new master has its workers")
                os.kill(web.pid, signal.SIGTERM)
                servers.wait_until(lambda: not web.is_running, "the old master is gone")
                answers.wait_for_more()
            answers.assert_all_200()
            assert "Traceback" not in web.log()
            os.kill(pid, signal.SIGTERM)
            servers.wait_until(lambda: is_gone(pid), "the new master is gone")
        finally:
            end_masters(web)


def ask_twice_in_vain(web: servers.Service, reason: str) -> None:
    """Send SIGUSR2 twice: each time the log says the reason, and only the old workers are left."""
    workers = web.worker_pids()
    for count in (1, 2):
        os.kill(web.pid, signal.SIGUSR2)
        servers.wait_until(
            lambda times=count: web.log().count(reason) == times, f"the log says {reason!r}"
        )
        servers.wait_until(lambda: web.worker_pids() == workers, "nothing else is there")


def test_upgrade_that_fails_leaves_the_old_master_alone(own_redis: servers.RedisServer) -> None:
    with servers.folder() as place:
        keys = place / "keys"
        keys.write_text("")
        settings = {"redis_url": own_redis.url, "docker_host": NO_ENGINE, "access_keys_file": keys}
        with servers.service(**settings) as web:
            keys.write_text("no key")
            ask_twice_in_vain(web, "funcsvc can't start: ")
            assert web.request("GET", "/funcs").status == 200


def test_upgrade_under_supervisord_is_refused_and_leaves_no_second_master(
    own_redis: servers.RedisServer,
) -> None:
    kept = {"SUPERVISOR_ENABLED": "1"}
    with servers.service(kept, redis_url=own_redis.url, docker_host=NO_ENGINE) as web:
        ask_twice_in_vain(web, "SIGUSR2 can't upgrade")
        assert web.request("GET", "/funcs").status == 200
        assert "Traceback" not in web.log()
