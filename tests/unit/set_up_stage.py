"""A checkout and a machine for `dev/setup`: apt-get, pip and sudo only write down their work."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path

CHECKOUT = Path(__file__).parents[2]
FILES = ("dev/setup", "dev/units", "setup.cfg", "setup.py", "pyproject.toml")
LOCKS = {"requirements.lock": "flask==3\n", "requirements-dev.lock": "flask==3\npytest==9\n"}
TOOLS = (
    "bash cat chmod cmp cp cut dirname env flock grep head mkdir rm sed sha256sum sleep tail tee tr"
)

STUBS = {
    # a user who may use sudo, for nothing that needs root may be done here
    "id": "echo 1000",
    "sudo": """
        case $1 in
            env) shift 2; exec "$@" ;;
            tee) cat >/dev/null ;;
        esac""",
    "dpkg": "",
    "ldd": "exit 1",
    "cc": "cat >/dev/null",
    "apt-cache": """
        echo "     release o=Debian,a=stable"
        [ $# = 1 ] || grep -qxF "$2" "$STAGE/unknown" || echo "  Candidate: 1.0" """,
    "apt-get": """
        shift 2
        echo "apt-get $*" >>"$DONE"
        [ "$1" = install ] || exit 0
        shift 3
        for package in "$@"; do
            if grep -qxF "$package" "$STAGE/unknown"; then exit 100; fi
        done
        for package in "$@"; do
            program=$(sed -n "s/^$package: //p" "$STAGE/brought")
            printf '#!/bin/sh\\n' >"$STAGE/bin/${program:-$package}"
            chmod +x "$STAGE/bin/${program:-$package}"
            if [ "$package" = python3-venv ]; then cp "$STAGE/upgraded" "$STAGE/python"; fi
        done""",
    "python3": """
        case $* in
            *ensurepip*) cmp -s "$STAGE/python" "$STAGE/upgraded" ;;
            *sys.version_info*) ;;
            *cache_tag*) head -n 1 "$STAGE/python" ;;
            *sys.version*) tail -n 1 "$STAGE/python" ;;
            "-m venv .venv")
                echo "venv" >>"$DONE"
                mkdir -p .venv/bin
                cat "$STAGE/bin/venv-python" >.venv/bin/python
                chmod +x .venv/bin/python ;;
            *) exit 1 ;;
        esac""",
    "venv-python": """
        case "$1 $2" in
            "-m pip")
                shift 2
                echo "pip $*" >>"$DONE"
                mkdir -p funcsvc/starter
                printf '' >funcsvc/starter/funcsvc-starter
                chmod +x funcsvc/starter/funcsvc-starter ;;
            "-m dev.services") cat "$STAGE/missing" ;;
        esac""",
}
BROUGHT = """\
apparmor: apparmor_parser
busybox-static: busybox
docker.io: dockerd
iproute2: ip
"""


class Stage:
    """A bare machine; its python3 is upgraded by python3-venv."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.checkout = place / "checkout"
        self.bin = place / "bin"
        self.done = place / "done"
        self.bin.mkdir()
        for name in shlex.split(TOOLS):
            (self.bin / name).symlink_to(str(shutil.which(name)))
        for name, script in STUBS.items():
            self.add_program(name, script)
        for name, text in LOCKS.items():
            self.write(f"checkout/{name}", text)
        for name in FILES:
            self.write(f"checkout/{name}", (CHECKOUT / name).read_text())
        (self.checkout / "dev/units").chmod(0o755)
        self._keep_to_the_stage(self.checkout / "dev/setup")
        self.write("python", "cpython-313\n3.13.0\n")
        self.write("upgraded", "cpython-313\n3.13.5\n")
        self.write("brought", BROUGHT)
        self.write("missing", "redis engine\n")
        self.write("unknown", "")

    def _keep_to_the_stage(self, script: Path) -> None:
        """Look for nothing in the machine's own folders."""
        text = script.read_text()
        for place in (":/usr/sbin:/sbin", "/usr/sbin/", "/sys/"):
            assert place in text
            text = text.replace(place, "" if place.startswith(":") else f"{self.place}{place}")
        script.write_text(text)

    def add_program(self, name: str, script: str = "") -> None:
        """Install a program."""
        program = self.bin / name
        program.write_text(f"#!/bin/bash\n{script}\n")
        program.chmod(0o755)

    def write(self, path: str, text: str) -> None:
        """Write a file of the stage."""
        (self.place / path).parent.mkdir(parents=True, exist_ok=True)
        (self.place / path).write_text(text)

    def set_up(self, purpose: str, status: int = 0, **environment: str) -> str:
        """Run dev/setup, and return what it printed; what it did begins with nothing."""
        self.done.write_text("")
        done = subprocess.run(
            ["bash", "dev/setup", purpose],
            cwd=self.checkout,
            env={
                "PATH": str(self.bin),
                "STAGE": str(self.place),
                "DONE": str(self.done),
                "UNIT_FOLDERS": "/nowhere",
                "HOME": os.environ.get("HOME", "/"),
                **environment,
            },
            stdin=subprocess.DEVNULL,
            start_new_session=True,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        printed = done.stdout + done.stderr
        assert done.returncode == status, printed
        return printed

    def did(self, program: str) -> list[str]:
        """Return the arguments of each run of a program."""
        lines = self.done.read_text().splitlines()
        return [line.removeprefix(program).strip() for line in lines if line.startswith(program)]

    def packages(self) -> Iterable[str]:
        """Return the packages that the first installation asked for, besides python3-venv."""
        asked = [line.split()[3:] for line in self.did("apt-get") if line.startswith("install")]
        return next((packages for packages in asked if packages != ["python3-venv"]), [])
