"""gunicorn's hooks, worker and logger: a deadline per request, and JSON for logs and errors."""

from funcsvc.web.gunicorn.hooks import (
    begin_upgrade,
    check_address_is_free,
    keep_early_signals,
    say_ready,
)

__all__ = ["begin_upgrade", "check_address_is_free", "keep_early_signals", "say_ready"]
