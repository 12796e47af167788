"""A fake of the announcements of images that are being removed."""

from __future__ import annotations

import time


class FakeImageRemovals:
    """An ImageRemovals in memory."""

    def __init__(self) -> None:
        self._ends: dict[str, float] = {}

    def announce(self, image_id: str, seconds: float) -> None:
        """Remember when the announcement ends."""
        self._ends[image_id] = time.monotonic() + seconds

    def is_announced(self, image_id: str) -> bool:
        """Tell whether there is an announcement that hasn't ended."""
        return self._ends.get(image_id, 0) > time.monotonic()
