"""The settings of a process, read from its environment.

A process with a bad setting doesn't start, and says why. docs/settings.md is generated from
`settings.py` by `funcsvc settings`.
"""

from funcsvc.config.loading import InvalidSettings, load_settings, settings_page
from funcsvc.config.redis_url import is_sentinel_url, parse_sentinel_url
from funcsvc.config.settings import DEFAULT_WORKERS, Settings

__all__ = [
    "DEFAULT_WORKERS",
    "InvalidSettings",
    "Settings",
    "is_sentinel_url",
    "load_settings",
    "parse_sentinel_url",
    "settings_page",
]
