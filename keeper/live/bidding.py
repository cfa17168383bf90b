"""Learned bids: the share that the next plan bids, by how the earlier ones in the journal came out."""

from __future__ import annotations

from keeper.domain.errors import Unavailable
from keeper.domain.events import Concluded, Degraded, Event, Listener, Raced, Reopened
from keeper.store.journal import SqliteJournal
from keeper.submitter.bidding import Bidding, Bounds


class LearnedBids:
    """A :class:`keeper.ports.Bidder`. It learns from outcomes and races; a restart forgets nothing."""

    def __init__(
        self, bounds: Bounds, journal: SqliteJournal, *, listen: Listener, backruns: bool = False
    ) -> None:
        """`listen` hears where the journal can't be read. It learns from `backruns` alone, or from none."""
        self._backruns = backruns
        self._journal = journal
        self._listen = listen
        self._bidding = Bidding.anew(bounds)
        self._is_stale = True

    def __call__(self, event: Event) -> None:
        """Hear, as a listener, what may have become of a bid."""
        self._is_stale = self._is_stale or isinstance(event, Concluded | Reopened | Raced)

    def share_bps(self) -> int:
        """Return the share to bid. Where the journal can't be read it is the last one."""
        if self._is_stale:
            try:
                auctions = self._journal.auctions(backruns=self._backruns)
            except Unavailable as error:
                self._listen(Degraded(what="what is bid is not learned anew", why=str(error)))
                return self._bidding.bid_bps()
            self._bidding = Bidding.after(self._bidding.bounds, auctions)
            self._is_stale = False
        return self._bidding.bid_bps()
