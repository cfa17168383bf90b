"""A rival: another liquidator, with funds of its own, that outbids the keeper for some borrowers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from keeper.abi import load
from keeper.devnet.devnet import Devnet
from keeper.domain.address import Address
from keeper.domain.plan import Close, Plan
from keeper.domain.position import PositionId

MOST_BIDS = 4

_APPETITE = 0.3
"""Of the borrowers that it could go for."""
_OUTBIDS = 3
"""How many times the keeper's fees it offers. Anvil, as builders do, puts the higher offer first."""
_GAS = 1_200_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Bid:
    """A liquidation that the rival has sent, against one of the keeper's."""

    plan: Plan
    """The keeper's, for the same borrower."""
    hash: str
    priority_fee_wei: int
    """Offered for each unit of gas."""


class Rival:
    """Bids for borrowers that the keeper goes for too: which ones, a seed says."""

    def __init__(self, devnet: Devnet, *, seed: int) -> None:
        self._devnet = devnet
        self._random = Random(seed)
        self._bids = 0
        there = devnet.addresses
        self._isolated = {there.morpho_market(id_): id_ for id_ in there.morpho_ids.values()}

    def bid(self, plans: Sequence[Plan], *, late: bool, sparing: PositionId | None = None) -> Bid | None:
        """Send one liquidation against one of these plans, which are in the order they run, or none.

        It goes for positions of Aave's and Morpho's, and keeps to one whose pools no later plan goes through:
        those plans count on the depth that the earlier ones leave, and the demo shows a lost race, not what a
        changed market does to the rest.
        Where it is late and it has not bid yet, it takes what there is; but nothing of who is spared.
        """
        free = [
            plan
            for place, plan in enumerate(plans)
            if plan.draft.position != sparing
            and plan.draft.market in (self._devnet.addresses.aave_market, *self._isolated)
            and not any(plan.draft.pools & later.draft.pools for later in plans[place + 1 :])
        ]
        if not free or self._bids == MOST_BIDS:
            return None
        if self._random.random() > _APPETITE and not (late and self._bids == 0):
            return None
        self._bids += 1
        return self._send(self._random.choice(free))

    def _send(self, plan: Plan) -> Bid:
        to, data = self._whole_close(plan.draft.position, plan.draft.close)
        priority_fee_wei = _OUTBIDS * plan.fees.max_priority_fee_per_gas_wei
        transaction = {
            "from": f"0x{self._devnet.rival.address.hex()}",
            "to": f"0x{to.hex()}",
            "data": f"0x{data.hex()}",
            "gas": hex(_GAS),
            "maxFeePerGas": hex(_OUTBIDS * plan.fees.max_fee_per_gas_wei),
            "maxPriorityFeePerGas": hex(priority_fee_wei),
        }
        sent = self._devnet.anvil.rpc("eth_sendTransaction", transaction)
        return Bid(plan=plan, hash=sent, priority_fee_wei=priority_fee_wei)

    def _whole_close(self, position: PositionId, close: Close) -> tuple[Address, bytes]:
        """Return the call that closes all that may be closed of the keeper's pair."""
        there = self._devnet.addresses
        if position.market == there.aave_market:
            call = load("aave_v3_pool").function("liquidationCall")
            tokens = (close.seized.token.address, close.repaid.token.address)
            return there.pool, call.encode(*tokens, position.borrower, 2**256 - 1, False)
        id_ = self._isolated[position.market]
        morpho, chain = load("morpho_blue"), self._devnet.chain
        made_of, stands = morpho.function("idToMarketParams"), morpho.function("position")
        params = made_of.decode(chain.call(there.morpho, made_of.encode(id_)))
        _, _, collateral = stands.decode(chain.call(there.morpho, stands.encode(id_, position.borrower)))
        # it has means, and need not ask what is worth it: it takes half of the collateral for its price
        call = morpho.function("liquidate")
        return there.morpho, call.encode(params, position.borrower, collateral // 2, 0, b"")
