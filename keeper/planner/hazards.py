"""What a token does that no arithmetic knows of: it keeps a part of what is sent.

A draft whose simulation failed, or earned something else than was predicted, may have met such a token. Then
a pool of the draft's own, which holds it, sends some of it in another simulation: what arrives tells.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from keeper.domain.address import Address
from keeper.domain.declined import Declined, Reason
from keeper.domain.depth import Hop
from keeper.domain.fixed_point import BPS
from keeper.domain.plan import Draft
from keeper.domain.token import Token
from keeper.erc20 import balance_of, transferred
from keeper.query import Simulated, SimulatedCall

_RECEIVER = Address(b"keeper: a receiver..")
"""Nobody: a transfer to it concerns nobody."""
_PART = 100
"""Of what passes through the holder, a hundredth is sent: it has more than that."""
_LOST_IN_SHARES_RAW = 2
"""A token that counts in shares may round away so much of a transfer, and is none that keeps a part."""


class Probe(NamedTuple):
    """A transfer to try: of which token, by which holder, and how much."""

    token: Token
    holder: Address
    amount_raw: int

    @property
    def calls(self) -> tuple[SimulatedCall, ...]:
        """Return what is to be simulated: the balance before, the transfer, the balance after."""
        sent = transferred(self.token.address, self.amount_raw, to=_RECEIVER)
        held = SimulatedCall(_RECEIVER, *balance_of(self.token.address, _RECEIVER))
        return held, SimulatedCall(self.holder, sent.target, sent.data), held

    def verdict(self, simulated: Sequence[Simulated]) -> Declined | None:
        """Return that the token keeps a part, and how much; None where it does not, or none can tell."""
        before, sent, after = simulated
        if sent.reverted or before.reverted or after.reverted:
            return None
        arrived_raw = int.from_bytes(after.returned[:32]) - int.from_bytes(before.returned[:32])
        if arrived_raw >= self.amount_raw - _LOST_IN_SHARES_RAW:
            return None
        kept_bps = (self.amount_raw - arrived_raw) * BPS // self.amount_raw
        return Declined(
            reason=Reason.FEE_ON_TRANSFER,
            detail=f"{self.token.symbol} keeps {kept_bps / 100:.2f} % of what is sent",
        )


def probes(draft: Draft) -> Iterator[Probe]:
    """Yield what to try of what a draft seizes and repays, where a pool of its own holds them."""
    closes = draft.closes
    passed: list[tuple[Hop, int, int]] = [
        (hop, flow.amounts_raw[at], flow.amounts_raw[at + 1])
        for close in closes
        for flow in (*close.buys, *close.sells)
        for at, hop in enumerate(flow.route.hops)
    ]
    tokens = (token for close in closes for token in (close.seized.token, close.repaid.token))
    for token in dict.fromkeys(tokens):
        held = [(hop.pool, out_raw) for hop, _, out_raw in passed if hop.token_out == token.address]
        held += [(hop.pool, in_raw) for hop, in_raw, _ in passed if hop.token_in == token.address]
        if held:
            holder, amount_raw = held[0]
            yield Probe(token=token, holder=holder, amount_raw=max(amount_raw // _PART, 1))
