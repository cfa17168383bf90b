"""Configuration: what the operator decides, read from the environment and an ``.env`` file.

To add a variable: a field of :class:`Settings` with its parser, unit and effect, then
``python -m keeper.config.example > .env.example``.
"""

from keeper.config.load import deciding, load, notify_socket
from keeper.config.market import MarketSetting
from keeper.config.settings import KeySource, Keystore, LogFormat, LogLevel, RawKey, RemoteSigner, Settings

__all__ = [
    "KeySource",
    "Keystore",
    "LogFormat",
    "LogLevel",
    "MarketSetting",
    "RawKey",
    "RemoteSigner",
    "Settings",
    "deciding",
    "load",
    "notify_socket",
]
