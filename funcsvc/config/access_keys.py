"""Access keys and their secrets, as operators write them."""

from __future__ import annotations

from collections.abc import Iterable


def parse_access_keys(lines: Iterable[str]) -> dict[str, str]:
    """Return the secrets by key, from lines of `<key>:<secret>`.

    Blank lines and lines that start with # are skipped. Raises ValueError, which shows no secret.
    """
    secrets: dict[str, str] = {}
    for number, line in enumerate((line.strip() for line in lines), start=1):
        if not line or line.startswith("#"):
            continue
        access_key, _, secret = line.partition(":")
        if not access_key or not secret:
            raise ValueError(f"Entry {number} must be <key>:<secret>.")
        if access_key in secrets:
            raise ValueError(f"Entry {number} names a key that is already there.")
        secrets[access_key] = secret
    return secrets
