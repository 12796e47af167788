"""The starter: the small static program, `starter.c`, that begins every call in its container.

Here is only what the engine is given of it; setup.py builds it, docs/starter.md describes it.
"""

from __future__ import annotations

from importlib.resources import files

_ARCHITECTURES = {
    3: "386",
    21: "ppc64le",
    22: "s390x",
    40: "arm",
    62: "amd64",
    183: "arm64",
    243: "riscv64",
    258: "loong64",
}
"""`e_machine` of an ELF header, and what Docker calls it."""


def starter_binary() -> bytes:
    """Return the program, as containers get it; raises FileNotFoundError where it wasn't built."""
    return files(__name__).joinpath("funcsvc-starter").read_bytes()


def starter_architecture() -> str:
    """Return the architecture that it was built for, as Docker names it: `amd64`, `arm64`, …

    Source: the ELF specification; byte 5 says in which order the others are, 18 and 19 the machine.
    """
    header = starter_binary()[:20]
    machine = int.from_bytes(header[18:20], "little" if header[5] == 1 else "big")
    return _ARCHITECTURES.get(machine, f"ELF machine {machine}")
