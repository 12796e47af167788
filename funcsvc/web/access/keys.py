"""Access keys and their secrets, as the operator configured them; HTTP Basic (RFC 7617)."""

from __future__ import annotations

import base64
import hmac
from collections.abc import Mapping

from funcsvc.model.errors import Unauthorized

_NO_SECRET = "no secret of any key"  # noqa: S105  # compared with when the key is unknown


class AccessKeys:
    """The access keys; several are allowed, for rotation. `repr` shows no secret."""

    def __init__(self, secrets: Mapping[str, str]) -> None:
        self._secrets = dict(secrets)

    def __bool__(self) -> bool:
        return bool(self._secrets)

    def __repr__(self) -> str:
        return f"<{len(self._secrets)} access keys>"

    def __contains__(self, access_key: str) -> bool:
        return access_key in self._secrets

    def get_secret(self, access_key: str) -> str:
        """Return the secret of a key. Raises Unauthorized if the key is unknown."""
        if access_key not in self._secrets:
            raise Unauthorized("The access key is unknown.")
        return self._secrets[access_key]

    def check_basic(self, credentials: str) -> None:
        """Raise Unauthorized unless Basic credentials are a known key and its secret."""
        try:
            text = base64.b64decode(credentials, validate=True).decode("utf-8")
        except ValueError:
            raise Unauthorized("The Basic credentials can't be read.") from None
        access_key, _, secret = text.partition(":")
        known = self._secrets.get(access_key, _NO_SECRET)
        matches = hmac.compare_digest(known.encode(), secret.encode())
        if access_key not in self._secrets:
            raise Unauthorized("The access key is unknown.")
        if not matches:
            raise Unauthorized("The secret key is wrong.", access_key)
