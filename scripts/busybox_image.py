"""An image made of the distribution's static busybox: the first example needs no registry."""

import io
import shutil
import subprocess
import tarfile
from collections.abc import Mapping
from pathlib import Path

import engine

NAME = "busybox"
CHANGES = ['CMD ["sh"]', "ENV PATH=/bin"]
PASSWD = b"root:x:0:0:root:/:/bin/sh\n"


def offer(environment: Mapping[str, str]) -> None:
    """Import the image into the engine, unless one of that name is there."""
    with engine.connect(environment) as client:
        if not client.images(NAME):
            client.import_image_from_data(
                image_tar(environment["PATH"]), repository=NAME, tag="latest", changes=CHANGES
            )


def image_tar(search_path: str) -> bytes:
    """The root file system: busybox, a link to it per applet, a user, /tmp."""
    busybox = shutil.which("busybox", path=search_path)
    if busybox is None:
        raise FileNotFoundError("busybox isn't installed")
    applets = subprocess.run(
        [busybox, "--list"], check=True, capture_output=True, text=True
    ).stdout.split()
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as tar:
        for folder, mode in (("bin", 0o755), ("etc", 0o755), ("tmp", 0o1777)):
            tar.addfile(_member(folder, mode, tarfile.DIRTYPE))
        _add_file(tar, "bin/busybox", 0o755, Path(busybox).read_bytes())
        _add_file(tar, "etc/passwd", 0o644, PASSWD)
        for applet in sorted(set(applets) - {"busybox"}):
            link = _member(f"bin/{applet}", 0o777, tarfile.SYMTYPE)
            link.linkname = "busybox"
            tar.addfile(link)
    return file.getvalue()


def _member(name: str, mode: int, kind: bytes) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.mode, member.type = mode, kind
    return member


def _add_file(tar: tarfile.TarFile, name: str, mode: int, content: bytes) -> None:
    member = _member(name, mode, tarfile.REGTYPE)
    member.size = len(content)
    tar.addfile(member, io.BytesIO(content))
