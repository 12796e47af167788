"""The images that are being removed: keys in Redis that expire by themselves."""

from __future__ import annotations

from funcsvc.store.client import RedisClient
from funcsvc.store.keys import RedisKeys


class RedisImageRemovals:
    """An ImageRemovals over Redis."""

    def __init__(self, client: RedisClient, keys: RedisKeys) -> None:
        self._client = client
        self._keys = keys

    def announce(self, image_id: str, seconds: float) -> None:
        key, lifetime_ms = self._keys.image_removal(image_id), max(1, int(seconds * 1000))
        self._client.repeat(lambda redis: redis.set(key, "1", px=lifetime_ms))

    def is_announced(self, image_id: str) -> bool:
        return self._client.get(self._keys.image_removal(image_id)) is not None
