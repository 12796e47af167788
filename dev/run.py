"""`make run`: the service with everything that it needs, until Ctrl-C."""

import os
import socket
import sys
import urllib.error
import urllib.request

from dev import images, servers
from dev.services import ChildFailed, connect, services

# The web process ends first: the worker may then still finish what was accepted.
PROGRAMS = {
    "worker": servers.WORKER_COMMAND,
    "web": servers.WEB_COMMAND,
}
BODY = '{"Name": "helloworld", "Config": {"Cmd": ["echo", "HelloWorld"], "Image": "busybox"}}'
ANY_ADDRESS = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}


def split_bind(bind: str) -> tuple[str, int]:
    """Host and port of FUNCSVC_BIND; the host of an IPv6 address without its brackets."""
    host, _, port = bind.rpartition(":")
    if not port.isdigit():
        sys.exit(f"FUNCSVC_BIND={bind} isn't host:port.")
    return host.strip("[]"), int(port)


def check_free(host: str, port: int) -> None:
    """End with a sentence if somebody listens there: gunicorn shares its port, and won't notice."""
    family, kind, _, _, address = socket.getaddrinfo(
        host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    with socket.socket(family, kind) as candidate:
        candidate.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            candidate.bind(address)
        except OSError as error:
            sys.exit(
                f"The service can't have {host}:{port}: {error.strerror}. "
                "Set FUNCSVC_BIND=host:port to another."
            )


def is_ready(url: str) -> bool:
    """Whether the service says that it can work."""
    try:
        with urllib.request.urlopen(f"{url}/readyz", timeout=5) as answer:
            return bool(answer.status == 200)
    except (OSError, urllib.error.URLError):
        return False


def address_of(host: str, port: int) -> str:
    """The URL at which a client on this machine finds the service."""
    host = ANY_ADDRESS.get(host, host)
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def main() -> None:
    host, port = split_bind(os.environ.get("FUNCSVC_BIND", "127.0.0.1:8000"))
    check_free(host, port)
    url = address_of(host, port)
    with services("run", PROGRAMS) as children:
        with connect(children.environment) as engine:
            images.offer_busybox(engine)
        for name in PROGRAMS:
            children.start_one(name)
        try:
            children.wait_for("web", lambda: is_ready(url))
        except ChildFailed:
            sys.exit(
                f"The service doesn't get ready: {url}/readyz never answered 200; its log is above."
            )
        print(f"funcsvc answers at {url}; Ctrl-C ends it. Try:")
        print(
            f"curl -i -H 'Content-Type: application/json' -d '{BODY}' {url}/funcs/create",
            flush=True,
        )
        children.wait_for_failure(*PROGRAMS)
        sys.exit("The service ended again and again, and was given up; its log is above.")


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
