"""Every key in Redis: its pattern, type, lifetime and meaning. No key is spelled anywhere else.

| key | type | lives | meaning |
| --- | --- | --- | --- |
| `<prefix>func:<name>` | string | until the func is deleted | its definition, the JSON that a create answered |
| `<prefix>funcs` | sorted set | for ever | the names of all funcs, scored by time of creation in ms |
| `<prefix>attempts/…` | string | the window of the limit | failed attempts of one address to show an access key |

The first two are changed in one script, so that neither is ever there without the other.
"""  # noqa: E501  # a table's row is one line

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RedisKeys:
    """The keys below one prefix, such as `funcsvc:`."""

    prefix: str

    def func(self, name: str) -> str:
        """The definition of one func."""
        return f"{self.prefix}func:{name}"

    @property
    def attempts(self) -> str:
        """What the keys of counted attempts begin with; the limits library puts the rest."""
        return f"{self.prefix}attempts"

    @property
    def funcs(self) -> str:
        """The index of all funcs, by time of creation."""
        return f"{self.prefix}funcs"
