"""Images that tests build themselves, because a public registry might be out of reach."""

from __future__ import annotations

import contextlib
import io
import shutil
import subprocess
import tarfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import docker

API_VERSION = "1.41"


def tar(**files: bytes) -> bytes:
    """Return a tar of executable files in /bin."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(f"bin/{name}")
            member.size, member.mode = len(content), 0o755
            archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def busybox_tar() -> bytes:
    """Return a root file system that has only the static busybox."""
    path = shutil.which("busybox")
    assert path, "busybox-static is not installed"
    return tar(busybox=Path(path).read_bytes())


def shell_tar() -> bytes:
    """Return a root file system with the static busybox and a link for each of its programs."""
    path = shutil.which("busybox")
    assert path, "busybox-static is not installed"
    listed = subprocess.run([path, "--list"], check=True, capture_output=True, text=True)
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        _add(archive, "bin/busybox", Path(path).read_bytes(), 0o755)
        _add(archive, "etc/passwd", b"root:x:0:0::/:/bin/sh\nuser:x:1000:1000::/:/bin/sh\n", 0o644)
        for name in sorted({*listed.stdout.split()} - {"busybox"}):
            link = tarfile.TarInfo(f"bin/{name}")
            link.type, link.linkname = tarfile.SYMTYPE, "busybox"
            archive.addfile(link)
        folder = tarfile.TarInfo("tmp")
        folder.type, folder.mode = tarfile.DIRTYPE, 0o1777
        archive.addfile(folder)
    return buffer.getvalue()


def _add(archive: tarfile.TarFile, name: str, content: bytes, mode: int) -> None:
    member = tarfile.TarInfo(name)
    member.size, member.mode = len(content), mode
    archive.addfile(member, io.BytesIO(content))


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
    """Import a tar as an image with this name, such as `tool:v1`."""
    repository, _, tag = name.rpartition(":")
    with client(docker_host) as api:
        api.import_image_from_data(
            content or tar(true=b""), repository=repository, tag=tag, changes=list(changes)
        )


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
