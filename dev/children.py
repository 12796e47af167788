"""The programs that a command runs beside itself, kept by supervisord.

What dies is started again, and all of them end with the command, even when it is killed.
"""

import configparser
import contextlib
import getpass
import http.client
import math
import os
import shlex
import subprocess
import sys
import time
import xmlrpc.client
from collections.abc import Callable
from pathlib import Path
from typing import Any, TextIO, cast

from supervisor.xmlrpc import SupervisorTransport

from dev.machine import places, terminal
from dev.machine.processes import await_end, with_parent
from dev.machine.waiting import NotInTime, wait_until
from dev.news import ERROR, Log

START_SECONDS = 60
STOP_SECONDS = 30
# What ends sooner counts as a failed start: dockerd needs seconds to find that it can't work.
SETTLE_SECONDS = 10
NEWS_SECONDS = 0.2
LOG_BYTES = "5MB"


class ChildFailed(Exception):
    """Raised when a child ends again and again, or isn't there within its deadline.

    Says so in the sentence of whoever waited for it, with the end of the child's log.
    """


class Children:
    """Describe the programs with `add`, then `start` them.

    Each has a log of its own. `tell` prints what is new in them and of a level that is shown.
    """

    def __init__(self, purpose: str, held: TextIO, environment: dict[str, str]) -> None:
        self.purpose = purpose
        self.log_folder = places.data_folder(purpose) / "log"
        self.runtime_folder = places.runtime_folder(purpose)
        self.held = held
        self.environment = environment
        self.sections: dict[str, dict[str, str]] = {}
        self.logs: dict[str, Log] = {}
        self.stop_seconds = 0.0
        self.supervisord: subprocess.Popen[bytes] | None = None

    def add(
        self,
        name: str,
        command: list[str],
        *,
        autostart: bool = True,
        stop_seconds: float = STOP_SECONDS,
        shown: frozenset[str] = ERROR,
    ) -> None:
        """Describe one program; those added later are stopped earlier."""
        path = self.log_folder / f"{name}.log"
        self.logs[name] = Log(name, path, shown)
        self.stop_seconds += stop_seconds
        self.sections[f"program:{name}"] = {
            "command": _escaped(shlex.join(with_parent("TERM", *command))),
            "autostart": str(autostart).lower(),
            "autorestart": "true",
            "startsecs": str(SETTLE_SECONDS),
            "startretries": "2",
            "priority": str(len(self.sections) + 1),
            "redirect_stderr": "true",
            "stdout_logfile": _escaped(str(path)),
            "stdout_logfile_maxbytes": LOG_BYTES,
            "stdout_logfile_backups": "1",
            "stopwaitsecs": str(math.ceil(stop_seconds)),
            "killasgroup": "true",
        }

    def start(self) -> None:
        """Start supervisord, and with it each program that starts by itself."""
        self.log_folder.mkdir(parents=True, exist_ok=True)
        configuration = configparser.RawConfigParser()
        configuration.read_dict({**self._supervisord_sections(), **self.sections})
        path = self.log_folder.parent / "supervisord.conf"
        with path.open("w") as file:
            configuration.write(file)
        self._socket.unlink(missing_ok=True)  # of one that was killed
        # A process group of its own: Ctrl-C is for the command, which ends its children last.
        self.supervisord = subprocess.Popen(
            with_parent("TERM", ".venv/bin/supervisord", "--configuration", str(path)),
            cwd=places.ROOT,
            # what they leave there goes with the folder
            env={**self.environment, "TMPDIR": str(self.runtime_folder)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            pass_fds=[self.held.fileno()],
            process_group=0,
        )
        wait_until(self._listens, "supervisord answers", START_SECONDS)

    def _listens(self) -> bool:
        with contextlib.suppress(OSError, http.client.HTTPException):
            return bool(self._ask("getPID"))
        return self.supervisord is None or self.supervisord.poll() is not None

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

    @property
    def has_ended(self) -> bool:
        """Whether supervisord, and all with it, has ended without being told to."""
        assert self.supervisord is not None
        return self.supervisord.poll() is not None

    def has_failed(self, name: str) -> bool:
        """Whether supervisord gave the program up, or ended itself."""
        if self.has_ended:
            return True
        try:
            return cast(bool, self._ask("getProcessInfo", name)["statename"] == "FATAL")
        except (OSError, http.client.HTTPException):  # supervisord is only starting
            return False
        except xmlrpc.client.Fault:  # it is ending
            return True

    def wait_for(self, name: str, answers: Callable[[], bool], otherwise: str) -> None:
        """Wait until the program answers; `otherwise` is what ChildFailed says when it doesn't."""

        def has_come() -> bool:
            self.tell()
            return self.has_failed(name) or answers()

        with contextlib.suppress(NotInTime):
            wait_until(has_come, name, START_SECONDS)
        if not answers():
            raise ChildFailed(f"{otherwise} {self._tail(name)}")

    def watch(self, *names: str) -> None:
        """Tell what is new until supervisord has given one of them up; that end isn't wanted.

        Ends too when the terminal is gone.
        """
        while not any(self.has_failed(name) for name in names):
            self.tell()
            if terminal.has_hung_up():
                sys.exit(0)
            time.sleep(NEWS_SECONDS)

    def tell(self) -> None:
        """Print the news of every log; a terminal that is gone is no reason to stop badly."""
        lines = [line for log in self.logs.values() for line in log.news()]
        with contextlib.suppress(OSError):
            if lines:
                print("\n".join(lines), flush=True)

    def _tail(self, name: str) -> str:
        path = self.log_folder / f"{name}.log"
        lines = path.read_text(errors="replace").splitlines() if path.exists() else []
        return "\n".join([f"The end of {path}:", *lines[-15:]])

    def stop(self) -> None:
        """End every program, the last one first, and then supervisord."""
        if self.supervisord is None:
            return
        for log in self.logs.values():
            if log.shown == ERROR:  # of servers, whose end makes each other complain
                log.shown = frozenset()
        self.supervisord.terminate()
        end = time.monotonic() + self.stop_seconds + STOP_SECONDS
        while self.supervisord.poll() is None and time.monotonic() < end:
            self.tell()
            time.sleep(NEWS_SECONDS / 4)
        await_end(self.supervisord, 1)
        self.tell()


def _escaped(value: str) -> str:
    """Supervisor expands %(name)s in its configuration."""
    return value.replace("%", "%%")
