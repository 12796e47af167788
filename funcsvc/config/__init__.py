"""The settings of one process.

`load_settings` takes the environment as an argument; a bad value stops the start with a sentence.
docs/settings.md is made from `settings.py` by `funcsvc settings`.
"""

from funcsvc.config.kinds import is_sentinel_url
from funcsvc.config.loading import InvalidSettings, load_settings, settings_page
from funcsvc.config.settings import DEFAULT_WORKERS, Settings

__all__ = [
    "DEFAULT_WORKERS",
    "InvalidSettings",
    "Settings",
    "is_sentinel_url",
    "load_settings",
    "settings_page",
]
