"""`make run` in a checkout of a test's own, at a terminal of its own."""

from __future__ import annotations

import contextlib
import http.client
import os
import select
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from dev import servers
from dev.machine import as_root, dockerd, places, processes

READY = "funcsvc is ready at"
PARTS = ("dev", "funcsvc", "wsgi.py", "gunicorn.conf.py", "Makefile")
SECONDS = 60
POLL_SECONDS = 0.02


def make_checkout(folder: Path) -> Path:
    """Make a checkout whose set-up has been done."""
    folder.mkdir(parents=True)
    for name in PARTS:
        source = servers.ROOT / name
        shutil.copytree(source, folder / name) if source.is_dir() else shutil.copy(source, folder)
    (folder / ".venv").symlink_to(servers.ROOT / ".venv")
    (folder / "dev/setup").write_text("#!/bin/sh\n")
    return folder


class MakeRun:
    """One `make run`. What the terminal shows is in `shown`, once it was waited for."""

    def __init__(
        self, checkout: Path, environment: Mapping[str, str], command: tuple[str, ...] = ()
    ) -> None:
        self.checkout = checkout
        self.temporary = checkout / "temporary"
        self.temporary.mkdir(exist_ok=True)
        self.shown = ""
        self.made: list[str] = []
        self.port = servers.free_port()
        self.terminal, other = os.openpty()
        given = {"PATH": servers.SEARCH_PATH, "LANG": "C.UTF-8", "HOME": str(checkout)}
        given |= {"FUNCSVC_BIND": f"127.0.0.1:{self.port}", "TMPDIR": str(self.temporary)}
        self.process = subprocess.Popen(
            ["setsid", "--ctty", *(command or ("make", "run"))],
            cwd=checkout,
            env={**given, **environment},
            stdin=other,
            stdout=other,
            stderr=other,
        )
        os.close(other)

    def request(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        """Return the status and the JSON of the service's answer."""
        connection = http.client.HTTPConnection(servers.LOOPBACK, self.port, timeout=30)
        with contextlib.closing(connection):
            answer = servers.exchange(connection, method, path, body)
        return answer.status, answer.json if answer.body else None

    def type(self, text: str) -> None:
        """Type at the terminal: `\\x03` is Ctrl-C."""
        os.write(self.terminal, text.encode())

    def close_terminal(self) -> None:
        """Close it, as a window is closed."""
        os.close(self.terminal)
        self.terminal = -1

    def wait_for(self, text: str) -> None:
        """Wait until the terminal has shown this."""
        end = time.monotonic() + SECONDS
        while text not in self.read():
            assert self.process.poll() is None, f"it ended:\n{self.read()}"
            assert time.monotonic() < end, f"not within {SECONDS} s: {text!r}\n{self.shown}"
            time.sleep(POLL_SECONDS)

    def read(self) -> str:
        """Return all that the terminal has shown so far."""
        while self.terminal >= 0 and select.select([self.terminal], [], [], 0)[0]:
            try:
                self.shown += os.read(self.terminal, 65536).decode(errors="replace")
            except OSError:  # nobody has the other side any more
                break
        return self.shown

    def wait(self) -> int:
        """Return the exit status of make, once it has ended."""
        end = time.monotonic() + SECONDS
        while self.process.poll() is None and time.monotonic() < end:
            self.read()
            time.sleep(POLL_SECONDS)
        self.read()
        return self.process.wait(0)

    def has_begun(self) -> bool:
        """Tell whether make has begun dev.run."""
        return any(
            b"dev.run" in Path(f"/proc/{pid}/cmdline").read_bytes()
            for pid in processes.children_of(self.process.pid)
        )

    def pid(self) -> int:
        """Return the pid of dev.run, which make runs."""
        return processes.children_of(self.process.pid)[0]

    def supervisord(self) -> int:
        """Return the pid of its supervisord."""
        return processes.with_argument(f"{self.checkout}/var/run/supervisord.conf")[0]

    def gunicorn(self) -> int:
        """Return the pid of gunicorn's master, which supervisord runs."""
        return next(
            pid
            for pid in processes.children_of(self.supervisord())
            if b"\0gunicorn\0" in Path(f"/proc/{pid}/cmdline").read_bytes()
        )

    def root_side(self) -> int:
        """Return the pid of its root side."""
        place = str(places.runtime_folder("run", self.checkout))
        sides = processes.with_argument("dev.machine.root_side")
        return next(pid for pid in sides if pid in processes.with_argument(place))

    def left(self) -> list[str]:
        """Return what is left of it on this machine: processes, mounts, networks, files."""
        place = places.runtime_folder("run", self.checkout)
        words = (str(self.checkout), str(place), place.name, place.name.replace("funcsvc", "func"))
        found = [line for line in _of_the_machine() if any(word in line for word in words)]
        return found + [str(path) for path in self.temporary.iterdir()]

    def note_containers(self, *bridges: str) -> int:
        """Note what its containers have made, whose names have nothing of the checkout's.

        Returns how many shims there are.
        """
        place = places.runtime_folder("run", self.checkout)
        where = ("-name", "address", "-type", "f", "-exec", "cat", "{}", "+")
        sockets = as_root.run("find", place / "exec", *where).stdout.split("unix://")[1:]
        bridge = Path("/sys/class/net") / dockerd.bridge_of(place)
        ports = [f"/sys/class/net/{path.name}" for path in bridge.glob("brif/*")]
        self.made = [*sockets, *ports, *(f"/sys/class/net/{name}" for name in bridges)]
        return len(sockets)

    def left_by_containers(self) -> list[str]:
        """Return what is left of what was noted."""
        return [path for path in self.made if Path(path).exists()]

    def close(self) -> None:
        """End it, whatever became of it."""
        if self.terminal >= 0:
            self.close_terminal()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(SECONDS)
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()


def _of_the_machine() -> Iterator[str]:
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            yield f"process {path.read_bytes().decode(errors='replace')}"
    yield from Path("/proc/self/mountinfo").read_text().splitlines()
    for folder in ("/run", "/run/containerd/s", "/tmp", "/sys/class/net"):
        yield from map(str, Path(folder).glob("*"))
    yield from (folder for folder, _, _ in os.walk("/sys/fs/cgroup"))
    for table in ("nat", "filter"):
        listed = subprocess.run(
            ["iptables", "-w", "-t", table, "-S"], capture_output=True, text=True, check=False
        )
        yield from listed.stdout.splitlines()


@contextlib.contextmanager
def make_run(
    checkout: Path, environment: Mapping[str, str], command: tuple[str, ...] = ()
) -> Iterator[MakeRun]:
    """Have `make run` in a checkout."""
    run = MakeRun(checkout, environment, command)
    try:
        yield run
    finally:
        run.close()
