"""`make run`: the service with everything that it needs, until Ctrl-C."""

import contextlib
import http.client
import json
import os
import shlex
import shutil
import socket
import sys
from pathlib import Path

from dev import images, servers
from dev.machine import terminal
from dev.news import WARNING
from dev.services import Program, connect, run_command, services
from funcsvc.config import Settings
from funcsvc.process import settings_or_exit
from funcsvc.web.gunicorn.hooks import exit_if_taken, exit_unless_possible

ANY_HOST = {"0.0.0.0": "127.0.0.1", "[::]": "[::1]"}
SPARE_SECONDS = 20
KEY = "KEY:SECRET"
KIND, JSON = "Content-Type", "application/json"
FUNC = {"Name": "helloworld", "Config": {"Cmd": ["echo", "HelloWorld"], "Image": "busybox"}}


def programs(settings: Settings) -> dict[str, Program]:
    """Return the two; the web process ends first: the worker may still finish what it accepted."""
    graces = {"worker": settings.worker_grace_seconds, "web": settings.graceful_timeout_seconds}
    commands = {"worker": servers.WORKER_COMMAND, "web": servers.WEB_COMMAND}
    return {
        name: Program(commands[name], {"stop_seconds": grace + SPARE_SECONDS, "shown": WARNING})
        for name, grace in graces.items()
    }


class Address:
    """Where the service listens: a port, or a unix socket; and whether it wants an access key."""

    def __init__(self, bind: str, *, wants_key: bool = False) -> None:
        self.bind = bind
        self.wants_key = wants_key
        self.unix_socket = bind.removeprefix("unix:") if bind.startswith("unix:") else None
        host, _, port = bind.rpartition(":")
        self.host = ANY_HOST.get(host, host)
        self.url = "http://localhost" if self.unix_socket else f"http://{self.host}:{port}"

    def __str__(self) -> str:
        return self.bind if self.unix_socket else self.url

    def exit_if_taken(self) -> None:
        """End with a sentence where somebody listens already; gunicorn would take a socket over."""
        if not self.unix_socket:
            host, _, port = self.bind.rpartition(":")
            exit_if_taken(host.strip("[]"), int(port))
        elif servers.listens(Path(self.unix_socket)):
            sys.exit(f"funcsvc can't listen at {self.bind}: Address already in use.")
        else:
            exit_unless_possible(Path(self.unix_socket))

    def is_ready(self) -> bool:
        """Tell whether the service says that it can work."""
        try:
            with contextlib.closing(self._connection()) as connection:
                connection.request("GET", "/readyz")
                return connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False

    def _connection(self) -> http.client.HTTPConnection:
        connection = http.client.HTTPConnection(self.url.removeprefix("http://"), timeout=5)
        if self.unix_socket:
            connection.sock = socket.socket(socket.AF_UNIX)
            connection.sock.settimeout(5)
            connection.sock.connect(self.unix_socket)
        return connection

    def example(self) -> str:
        """Return a command that creates a func, with a program that is there."""
        url, body = f"{self.url}/funcs/create", json.dumps(FUNC)
        if not self.unix_socket and not shutil.which("curl"):
            return self._example_in_python(url, body)
        where = f"--unix-socket {shlex.quote(self.unix_socket)} " if self.unix_socket else ""
        key = f"-u {KEY} " if self.wants_key else ""
        return f"curl -i {where}{key}-H '{KIND}: {JSON}' -d '{body}' {url}"

    def _example_in_python(self, url: str, body: str) -> str:
        key = f', "Authorization": b"Basic " + base64.b64encode(b"{KEY}")' if self.wants_key else ""
        headers = f'{{"{KIND}": "{JSON}"{key}}}'
        request = f'u.Request("{url}", json.dumps({body}).encode(), {headers})'
        modules = "base64, json, urllib.request as u"
        return f"python3 -c 'import {modules}; print(u.urlopen({request}).read())'"

    def hint(self) -> str:
        """Return what is missing for the example, if anything."""
        hints = []
        if self.wants_key:
            hints.append(f"Put one of your access keys in the place of {KEY}.")
        if self.unix_socket and not shutil.which("curl"):
            hints.append("This needs curl, which isn't installed here.")
        return f"\n({' '.join(hints)})\n" if hints else ""


READY = """
funcsvc is ready at {address}; Ctrl-C ends it. Try:

{example}
{hint}"""

GIVEN_UP = "The service ended again and again, and was given up"
KEEPER_ENDED = "supervisord, which keeps the service going, was ended"


def main() -> None:
    os.environ.pop("FUNCSVC_BROWSER", None)  # for `make test`; the service has no such setting
    settings = settings_or_exit()
    address = Address(settings.bind, wants_key=bool(settings.all_access_keys))
    address.exit_if_taken()
    both = programs(settings)
    with terminal.in_front(), services("run", both) as children:
        with connect(children.environment) as engine:
            images.offer_busybox(engine)
        for name in both:
            children.start_one(name)
        takes_calls = children.logs["worker"].has_said
        children.wait_for("web", address.is_ready, f"{address} isn't ready: /readyz isn't 200.")
        children.wait_for("worker", lambda: takes_calls("takes calls"), "The worker isn't ready.")
        parts = {"address": address, "example": address.example(), "hint": address.hint()}
        print(READY.format(**parts), flush=True)
        children.logs["web"].shown = WARNING | {"ACCESS"}
        children.logs["worker"].shown = WARNING | {"INFO"}
        children.watch(*both)
        what = KEEPER_ENDED if children.has_ended else GIVEN_UP
        sys.exit(f"{what}: see {children.log_folder}.")


if __name__ == "__main__":
    run_command(main, until_ended=True)
