"""What gunicorn needs of us: access lines and errors in JSON, and no thread held for ever."""

from funcsvc.web.gunicorn.hooks import check_address_is_free, keep_early_signals, say_ready

__all__ = ["check_address_is_free", "keep_early_signals", "say_ready"]
