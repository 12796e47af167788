"""The programs that a command runs beside itself, kept by supervisord.

What dies is started again, and all of them end with the command, even when it is killed.
"""

import configparser
import contextlib
import getpass
import http.client
import os
import shlex
import subprocess
import time
import xmlrpc.client
from collections.abc import Callable
from pathlib import Path
from typing import Any, TextIO, cast

from supervisor.xmlrpc import SupervisorTransport

from dev.machine import places
from dev.machine.processes import await_end, with_parent
from dev.machine.waiting import NotInTime, wait_until

START_SECONDS = 60
STOP_SECONDS = 30
# What ends sooner counts as a failed start: dockerd needs seconds to find that it can't work.
SETTLE_SECONDS = 10
LOG_BYTES = "5MB"


class ChildFailed(Exception):
    """Raised when a child ends again and again, or isn't there within its deadline.

    Says so in the sentence of whoever waited for it, with the end of the child's log.
    """


class Children:
    """Describe the programs with `add`, then `start` them."""

    def __init__(self, purpose: str, held: TextIO, environment: dict[str, str]) -> None:
        self.purpose = purpose
        self.log_folder = places.data_folder(purpose) / "log"
        self.runtime_folder = places.runtime_folder(purpose)
        self.held = held
        self.environment = environment
        self.sections: dict[str, dict[str, str]] = {}
        self.supervisord: subprocess.Popen[bytes] | None = None
        self.terminal: subprocess.Popen[bytes] | None = None

    def add(
        self, name: str, command: list[str], autostart: bool = True, to_terminal: bool = False
    ) -> None:
        """Describe one program; those added later are stopped earlier."""
        log = {
            "stdout_logfile": str(self.log_folder / f"{name}.log"),
            "stdout_logfile_maxbytes": LOG_BYTES,
        }
        if to_terminal:
            log = {"stdout_logfile": "/dev/fd/1", "stdout_logfile_maxbytes": "0"}
        self.sections[f"program:{name}"] = {
            "command": _escaped(shlex.join(with_parent("TERM", *command))),
            "autostart": str(autostart).lower(),
            "autorestart": "true",
            "startsecs": str(SETTLE_SECONDS),
            "startretries": "2",
            "priority": str(len(self.sections) + 1),
            "redirect_stderr": "true",
            "stdout_logfile_backups": "1",
            "stopwaitsecs": str(STOP_SECONDS),
            **{key: _escaped(value) for key, value in log.items()},
        }

    def start(self) -> None:
        """Start supervisord, and with it each program that starts by itself."""
        self.log_folder.mkdir(parents=True, exist_ok=True)
        configuration = configparser.RawConfigParser()
        configuration.read_dict({**self._supervisord_sections(), **self.sections})
        path = self.log_folder.parent / "supervisord.conf"
        with path.open("w") as file:
            configuration.write(file)
        # A process group of its own: Ctrl-C is for the command, which ends its children last. The
        # output goes through a pipe: supervisord can't open a standard output that is a socket.
        self.supervisord = subprocess.Popen(
            with_parent("TERM", ".venv/bin/supervisord", "--configuration", str(path)),
            cwd=places.ROOT,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            pass_fds=[self.held.fileno()],
            process_group=0,
        )
        self.terminal = subprocess.Popen(["cat"], stdin=self.supervisord.stdout, process_group=0)

    def _supervisord_sections(self) -> dict[str, dict[str, str]]:
        supervisord = {
            "nodaemon": "true",
            "silent": "true",
            "logfile": _escaped(str(self.log_folder / "supervisord.log")),
            "logfile_maxbytes": LOG_BYTES,
            "logfile_backups": "1",
            "pidfile": str(self.runtime_folder / "supervisord.pid"),
        }
        if os.geteuid() == 0:
            supervisord["user"] = getpass.getuser()
        return {
            "supervisord": supervisord,
            "unix_http_server": {"file": str(self._socket), "chmod": "0700"},
            "rpcinterface:supervisor": {
                "supervisor.rpcinterface_factory": "supervisor.rpcinterface:make_main_rpcinterface"
            },
        }

    @property
    def _socket(self) -> Path:
        return self.runtime_folder / "supervisord.sock"

    def _ask(self, method: str, *arguments: Any) -> Any:
        transport = cast(
            xmlrpc.client.Transport, SupervisorTransport(serverurl=f"unix://{self._socket}")
        )
        with xmlrpc.client.ServerProxy("http://supervisord", transport=transport) as proxy:
            return getattr(proxy.supervisor, method)(*arguments)

    def start_one(self, name: str) -> None:
        """Start a program that doesn't start by itself."""
        self._ask("startProcess", name, False)

    def has_failed(self, name: str) -> bool:
        """Whether supervisord gave the program up, or ended itself."""
        assert self.supervisord is not None
        if self.supervisord.poll() is not None:
            return True
        try:
            return cast(bool, self._ask("getProcessInfo", name)["statename"] == "FATAL")
        except (OSError, http.client.HTTPException):  # supervisord is only starting
            return False
        except xmlrpc.client.Fault:  # it is ending
            return True

    def wait_for(self, name: str, answers: Callable[[], bool], otherwise: str) -> None:
        """Wait until the program answers; `otherwise` is what ChildFailed says when it doesn't."""
        with contextlib.suppress(NotInTime):
            wait_until(lambda: self.has_failed(name) or answers(), name, START_SECONDS)
        if not answers():
            raise ChildFailed(f"{otherwise} {self._tail(name)}")

    def wait_for_failure(self, *names: str) -> None:
        """Return when supervisord has given one of them up: the end that isn't wanted."""
        while not any(self.has_failed(name) for name in names):
            time.sleep(1)

    def _tail(self, name: str) -> str:
        path = self.log_folder / f"{name}.log"
        lines = path.read_text(errors="replace").splitlines() if path.exists() else []
        return "\n".join([f"The end of {path}:", *lines[-15:]])

    def stop(self) -> None:
        """End every program, the last one first, and then supervisord."""
        for process in (self.supervisord, self.terminal):
            if process is not None:
                process.terminate()
                await_end(process, 3 * STOP_SECONDS)


def _escaped(value: str) -> str:
    """Supervisor expands %(name)s in its configuration."""
    return value.replace("%", "%%")
