"""One of KEEPER_RPC_URLS: an address, and what the endpoint behind it may be shown."""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import urlsplit

from keeper.domain.role import Role
from keeper.domain.secret import Secret


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointSetting:
    """A URL and its marks, as in ``https://rpc.example.com/key#private+trusted``."""

    url: Secret
    roles: frozenset[Role] = field(default=frozenset(), compare=False)

    def __str__(self) -> str:
        return str(self.url)

    @property
    def is_socket(self) -> bool:
        """Return whether it is a WebSocket, which tells of new heads and is sent nothing."""
        return urlsplit(self.url.reveal()).scheme in ("ws", "wss")
