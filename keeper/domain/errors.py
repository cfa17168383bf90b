"""The errors of the keeper, each named for who must act.

What is merely not worth doing is no error: see :class:`keeper.domain.plan.Declined`.
"""

from __future__ import annotations


class KeeperError(Exception):
    """The root of every error that the keeper raises on purpose."""


class ConfigError(KeeperError):
    """The operator must act. Carries every mistake found, each beginning with its variable's name."""

    def __init__(self, *mistakes: str) -> None:
        super().__init__("\n".join(mistakes))
        self.mistakes = mistakes


class Unavailable(KeeperError):
    """The world did not answer: retry the read, or skip the head."""


class Inconsistent(KeeperError):
    """What was read belongs to a branch that the chain has left: resync."""


class Broken(KeeperError):
    """What one source relies on does not hold at this state: it is skipped there, the others go on."""


class Rejected(KeeperError):
    """A channel refused a submission; the reason is the channel's own."""


class Underbid(Rejected):
    """Another transaction waits with the nonce, and more must be paid to replace it."""


class Invariant(KeeperError):
    """The keeper contradicts itself: our bug. It stops rather than send."""
