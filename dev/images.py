"""Images made on the spot, for there may be no way to any public registry."""

from __future__ import annotations

import contextlib
import io
import shutil
import subprocess
import tarfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import docker

from dev.machine.as_root import SEARCH_PATH

API_VERSION = "1.41"
SHELL_CHANGES = ('CMD ["sh"]', "ENV PATH=/bin")
PASSWD = b"root:x:0:0::/:/bin/sh\nuser:x:1000:1000::/:/bin/sh\n"

Member = tuple[tarfile.TarInfo, bytes]


def tar(**files: bytes) -> bytes:
    """Return a tar of executable files below /bin."""
    return _tar_of(_member(f"bin/{name}", content) for name, content in files.items())


def busybox_tar() -> bytes:
    """Return a root file system of the static busybox alone."""
    return tar(busybox=_busybox().read_bytes())


def shell_tar() -> bytes:
    """Return a root file system with the static busybox, a link for each of its programs, /tmp."""
    busybox = _busybox()
    listed = subprocess.run([busybox, "--list"], check=True, capture_output=True, text=True)
    names = sorted({*listed.stdout.split()} - {"busybox"})
    return _tar_of(
        [
            _member("bin", kind=tarfile.DIRTYPE),
            _member("etc", kind=tarfile.DIRTYPE),
            _member("tmp", kind=tarfile.DIRTYPE, mode=0o1777),
            _member("bin/busybox", busybox.read_bytes()),
            _member("etc/passwd", PASSWD, mode=0o644),
            *(_member(f"bin/{name}", kind=tarfile.SYMTYPE) for name in names),
        ]
    )


def _busybox() -> Path:
    path = shutil.which("busybox", path=SEARCH_PATH)
    assert path, "busybox-static is not installed"
    return Path(path)


def _tar_of(members: Iterable[Member]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for member, content in members:
            archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def _member(
    name: str, content: bytes = b"", *, mode: int = 0o755, kind: bytes = tarfile.REGTYPE
) -> Member:
    member = tarfile.TarInfo(name)
    member.size, member.mode, member.type = len(content), mode, kind
    member.linkname = "busybox" if kind == tarfile.SYMTYPE else ""
    return member, content


@contextlib.contextmanager
def client(docker_host: str) -> Iterator[docker.APIClient]:
    """Open a client of an engine."""
    with contextlib.closing(
        docker.APIClient(base_url=docker_host, version=API_VERSION, timeout=30)
    ) as api:
        yield api


def import_image(
    docker_host: str,
    name: str,
    content: bytes | None = None,
    changes: Sequence[str] = ('CMD ["true"]',),
) -> None:
    """Make an image of this name, such as `tool:v1`, from a tar."""
    with client(docker_host) as api:
        _import(api, name, content or tar(true=b""), changes)


def offer_busybox(api: docker.APIClient) -> None:
    """Make the image of the README's first example, unless one of that name is there."""
    if not api.images("busybox"):
        _import(api, "busybox:latest", shell_tar(), SHELL_CHANGES)


def _import(api: docker.APIClient, name: str, content: bytes, changes: Sequence[str]) -> None:
    repository, _, tag = name.rpartition(":")
    api.import_image_from_data(content, repository=repository, tag=tag, changes=list(changes))


def remove_image(docker_host: str, name: str) -> None:
    """Remove an image's name from an engine, if it is there."""
    with client(docker_host) as api, contextlib.suppress(docker.errors.ImageNotFound):
        api.remove_image(name)


@contextlib.contextmanager
def imported(docker_host: str, name: str) -> Iterator[str]:
    """Have an image with this name on an engine, and remove it afterwards."""
    import_image(docker_host, name)
    try:
        yield name
    finally:
        remove_image(docker_host, name)


def push(docker_host: str, name: str, auth: dict[str, str] | None = None) -> None:
    """Push a new image to the registry in its name, and remove it from the engine."""
    import_image(docker_host, name, tar(true=name.encode()))
    with client(docker_host) as api:
        for progress in api.push(name, stream=True, decode=True, auth_config=auth):
            assert "error" not in progress, progress["error"]
    remove_image(docker_host, name)


def has_image(docker_host: str, name: str) -> bool:
    """Tell whether an engine has an image with this name."""
    with client(docker_host) as api:
        try:
            return bool(api.inspect_image(name))
        except docker.errors.ImageNotFound:
            return False


@contextlib.contextmanager
def pull_events(docker_host: str) -> Iterator[Callable[[], list[str]]]:
    """Yield a function that returns the names of the images pulled since the start."""
    since = f"{time.time():.9f}"

    def pulled() -> list[str]:
        span = {"since": since, "until": f"{time.time():.9f}"}
        with client(docker_host) as api:
            events = api.events(**span, filters={"event": "pull"}, decode=True)
            return [event["Actor"]["ID"] for event in events]

    yield pulled
