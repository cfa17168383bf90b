"""Channels: the ways into a block, each a pure request and a parsed reply.

To add a channel: a module with one frozen dataclass that is a :class:`keeper.ports.Channel`. `request` says
what to post; `parse` says what the reply means, and in doubt says Unclear, never Accepted or Refused: a
transaction that is wrongly thought refused would have its nonce given away.
"""
