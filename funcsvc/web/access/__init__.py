"""Who may use the management API: access keys, and the two ways of showing that one has one.

Pure: no Flask, no Redis, no clock of its own.
"""

from funcsvc.web.access.keys import AccessKeys
from funcsvc.web.access.signature import SignedRequest, check_signature

__all__ = ["AccessKeys", "SignedRequest", "check_signature"]
