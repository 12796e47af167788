"""What a registry has answered, told from the words in which the engine passes it on.

The engine uses status 404 or 500, or reports it in the stream of a pull that began well, so only
the words tell. They count only where a registry's answer can be, at the beginning or after phrases
and the request: the kernel, programs and web pages say "denied" and "not found", too.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from funcsvc.engine.sentences import is_disk_full, without_queries

_REQUEST = r"[A-Z][a-z]+ \"?https?://[^\s\"]+\"?:? "
"""`Get "https://registry.example.com/v2/": `, which older engines don't quote."""

_NOT_A_REGISTRY = (
    r"dial |open |mkdir |exec: |failed to register layer: "
    r"|toomanyrequests: |unavailable: |unknown: |unsupported: "
)
"""What begins a phrase about this host or its network, or another answer of a registry."""

_BEFORE = (
    rf"(?:errors:\s+|failed to resolve reference \S+ |{_REQUEST}"
    rf"|(?!{_NOT_A_REGISTRY})[\w .()'-]+: )*"
)
"""What can come before a registry's answer."""

_NO_LOGIN = (
    r"unauthorized:|denied:|no basic auth credentials|login attempt to \S+ failed with status: 401"
    r"|unexpected status(?: from \w+ request to \S+)?:? 401"
)
_NO = re.compile(
    rf"{_BEFORE}(?:{_NO_LOGIN}|manifest unknown|name unknown|manifest for \S+ not found"
    r"|repository \S+ (?:not found|does not exist)|pull access denied\b|no matching manifest\b"
    r"|failed to resolve reference \S+ \S+: not found\Z)"
)
_REFUSED = re.compile(rf"{_BEFORE}(?:{_NO_LOGIN})")


def says_no(words: str) -> bool:
    """Tell whether a registry lacks an image, or denies access to it."""
    return bool(_NO.match(words))


def refuses_login(words: str) -> bool:
    """Tell whether a registry doesn't accept credentials."""
    return bool(_REFUSED.match(words))


def fills_disk(words: str) -> bool:
    """Tell whether a pull has filled the engine's disk. Whatever writes a layer can say so."""
    is_about_a_layer = words.startswith("failed to register layer: ")
    return is_disk_full(words) or (is_about_a_layer and words.endswith(": no space left on device"))


def for_the_log(words: str, secrets: Iterable[str]) -> str:
    """Return words without signed URLs, or nothing of them if a registry has repeated a secret."""
    if any(secret in words for secret in secrets if secret):
        return "(it repeats the credentials)"
    return without_queries(words)
