"""gunicorn's hooks, worker and logger: a deadline per request, and JSON for logs and errors."""

from funcsvc.web.gunicorn.hooks import (
    check_address_is_free,
    keep_early_signals,
    run_as_started,
    say_ready,
)

__all__ = ["check_address_is_free", "keep_early_signals", "run_as_started", "say_ready"]
