"""What the blocks up to a head tell: of the head alone by its hash, of several as a range."""

from __future__ import annotations

from keeper.domain.head import Head
from keeper.ports import Filter
from keeper.query import Log, Query, log_range, logs


def told(wanted: Filter, *, first: int, head: Head) -> Query[tuple[Log, ...]]:
    """Return the logs of blocks `first` to `head`, both included; none where `first` is above it."""
    if first > head.number:
        return ()
    if first == head.number:
        return (yield from logs(wanted.emitters, wanted.topics))
    return (yield from log_range(wanted.emitters, wanted.topics, first=first, last=head.number))
