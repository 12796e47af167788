"""Who may use the management API: access keys, sent as HTTP Basic or as a signature.

Keys and signatures are pure: without Flask, Redis, or a clock of their own.
"""

from funcsvc.web.access.keys import AccessKeys
from funcsvc.web.access.signature import SignedRequest, check_signature

__all__ = ["AccessKeys", "SignedRequest", "check_signature"]
