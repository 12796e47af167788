"""What is missing on this machine is a skip, and a failure where it is required, as in CI."""

from __future__ import annotations

import os
from typing import NoReturn

import pytest

# Left in the environment: each process that runs tests must find it.
REQUIRED = os.environ.get("FUNCSVC_REQUIRE_SERVICES") == "1"


def missing(reason: str) -> NoReturn:
    """Skip the test, or fail it."""
    if REQUIRED:
        pytest.fail(reason)
    pytest.skip(reason)
