"""What a registry has answered, told from the words in which the engine passes it on.

The engine uses status 404 or 500, or reports it in the stream of a pull that began well, so only
the words tell. What a request has brought into them is cut out first: an image can be named
"denied".
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from funcsvc.engine.sentences import CUT, without_queries
from funcsvc.model import ImageReference

_NO = re.compile(
    r"no basic auth credentials|unauthorized|denied|authentication required|not found"
    r"|manifest unknown|name unknown|does not exist|no matching manifest|incorrect username",
    re.IGNORECASE,
)
_NO_LOGIN = re.compile(
    r"no basic auth credentials|unauthorized|denied|authentication required|incorrect username",
    re.IGNORECASE,
)
_LAYER = "failed to register layer: "
"""How a sentence begins that is about the files of an image, not about its registry."""

_BROUGHT = re.compile(r"https?://[^\s\"]+|(?<=\bfor )\S+|(?<=\blookup )\S+|(?<=\breference )\S+")


def says_no(words: str, reference: ImageReference) -> bool:
    """Tell whether a registry lacks an image, or denies access to it."""
    if words.startswith(_LAYER):
        return False
    host = reference.domain.partition(":")[0]
    names = (reference.canonical, reference.familiar, reference.name, reference.domain, host)
    return bool(_NO.search(_own_words(words, names)))


def refuses_login(words: str, registry: str) -> bool:
    """Tell whether a registry doesn't accept credentials."""
    return bool(_NO_LOGIN.search(_own_words(words, [registry])))


def for_the_log(words: str, secrets: Iterable[str]) -> str:
    """Return words without signed URLs, or nothing of them if a registry has repeated a secret."""
    if any(secret in words for secret in secrets if secret):
        return "(it repeats the credentials)"
    return without_queries(words)


def _own_words(words: str, brought: Iterable[str]) -> str:
    """Cut out addresses and names. A name of one word is cut only where it can't be a verdict."""
    for name in brought:
        if re.search(r"[./:]", name):
            words = words.replace(name, CUT)
    return _BROUGHT.sub(CUT, words)
