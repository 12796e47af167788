"""What a registry has answered, told from the words in which the engine passes it on.

The engine uses status 404 or 500, or reports it in the stream of a pull that began well, so only
the words tell. What a request has brought into them is cut out first: an image can be named
"denied".
"""

from __future__ import annotations

import re

from funcsvc.engine.sentences import CUT
from funcsvc.model import ImageReference

_NO = re.compile(
    r"no basic auth credentials|unauthorized|denied|authentication required|not found"
    r"|manifest unknown|name unknown|does not exist|no matching manifest|incorrect username",
    re.IGNORECASE,
)

_LAYER = "failed to register layer: "
"""How a sentence begins that is about the files of an image, not about its registry."""

_BROUGHT = re.compile(r"https?://[^\s\"]+|(?<=\bfor )\S+|(?<=\blookup )\S+|(?<=\breference )\S+")


def says_no(words: str, reference: ImageReference) -> bool:
    """Tell whether a registry lacks an image, or denies access to it."""
    return not words.startswith(_LAYER) and bool(_NO.search(_own_words(words, reference)))


def _own_words(words: str, reference: ImageReference) -> str:
    """Cut out addresses and names. A name of one word is cut only where it can't be a verdict."""
    host = reference.domain.partition(":")[0]
    for name in (reference.canonical, reference.familiar, reference.name, reference.domain, host):
        if re.search(r"[./:]", name):
            words = words.replace(name, CUT)
    return _BROUGHT.sub(CUT, words)
