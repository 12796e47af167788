"""The starter: the small static program that is the first process of every container.

This module gives the engine the built program; setup.py builds it and docs/starter.md describes it.
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
"""The `e_machine` of an ELF header, with Docker's name for it."""


def starter_binary() -> bytes:
    """Return the built program. Raises FileNotFoundError if it hasn't been built."""
    return files(__name__).joinpath("funcsvc-starter").read_bytes()


def starter_architecture() -> str:
    """Return Docker's name for the architecture that it was built for: `amd64`, `arm64`, …

    Source: the ELF specification. Byte 5 is the byte order, bytes 18 and 19 are the machine.
    """
    header = starter_binary()[:20]
    machine = int.from_bytes(header[18:20], "little" if header[5] == 1 else "big")
    return _ARCHITECTURES.get(machine, f"ELF machine {machine}")
