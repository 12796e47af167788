"""`make run`: the service with everything that it needs, until Ctrl-C."""

import sys
import urllib.error
import urllib.request

from dev import images, servers
from dev.services import connect, run_command, services
from funcsvc.process import settings_or_exit
from funcsvc.web.gunicorn.hooks import exit_if_taken

# The web process ends first: the worker may then still finish what was accepted.
PROGRAMS = {"worker": servers.WORKER_COMMAND, "web": servers.WEB_COMMAND}
ANY_HOST = {"0.0.0.0": "127.0.0.1", "[::]": "[::1]"}

CREATE = """curl -i -H 'Content-Type: application/json' \
-d '{"Name": "helloworld", "Config": {"Cmd": ["echo", "HelloWorld"], "Image": "busybox"}}' \
%s/funcs/create"""


def is_ready(url: str) -> bool:
    """Tell whether the service says that it can work."""
    try:
        with urllib.request.urlopen(f"{url}/readyz", timeout=5) as answer:
            return bool(answer.status == 200)
    except (OSError, urllib.error.URLError):
        return False


def main() -> None:
    bind = settings_or_exit().bind
    if bind.startswith("unix:"):
        sys.exit(f"FUNCSVC_BIND is {bind}, but `make run` needs host:port.")
    host, _, port = bind.rpartition(":")
    exit_if_taken(host.strip("[]"), int(port))
    url = f"http://{ANY_HOST.get(host, host)}:{port}"
    with services("run", PROGRAMS) as children:
        with connect(children.environment) as engine:
            images.offer_busybox(engine)
        for name in PROGRAMS:
            children.start_one(name)
        children.wait_for(
            "web", lambda: is_ready(url), f"{url}/readyz never answered 200; its log is above."
        )
        print(f"funcsvc answers at {url}; Ctrl-C ends it. Try:\n{CREATE % url}", flush=True)
        children.wait_for_failure(*PROGRAMS)
        sys.exit("The service ended again and again, and was given up; its log is above.")


if __name__ == "__main__":
    run_command(main)
