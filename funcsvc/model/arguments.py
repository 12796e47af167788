"""What the kernel takes when it starts a program: execve(2), "Limits on size of arguments"."""

from __future__ import annotations

from collections.abc import Iterable

from funcsvc.model.calls import MAX_ENVIRONMENT_BYTES

MAX_STRING_BYTES = 128 * 1024 - 1
"""The longest word or environment variable, in UTF-8, without its NUL (MAX_ARG_STRLEN)."""

KERNEL_BYTES = 2 * 1024 * 1024
"""All words and variables together: a quarter of the usual limit of the stack, 8 MiB."""

MAX_ARGUMENT_BYTES = KERNEL_BYTES - MAX_ENVIRONMENT_BYTES - 16 * 1024
"""What a definition may take of that. The rest is for a call's variables and the engine's."""

_POINTER_BYTES = 8


def argument_bytes(strings: Iterable[str]) -> int:
    """Return what words or variables take of the kernel's limit, each with a NUL and a pointer."""
    return sum(len(text.encode()) + 1 + _POINTER_BYTES for text in strings)


def is_too_long(text: str) -> bool:
    """Tell whether no program can be started with this word or variable."""
    return len(text.encode("utf-8", "surrogatepass")) > MAX_STRING_BYTES
