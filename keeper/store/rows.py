"""Values as the journal's lines, and back: amounts as decimal text, as SQLite's integers end at 64 bits."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from keeper.domain.address import Address, Hash32
from keeper.domain.carriage import Carried, Carry
from keeper.domain.plan import Waterfall
from keeper.domain.position import PositionId
from keeper.domain.race import Deed, Liquidation, Race, Sighting, Winner
from keeper.domain.token import Token, TokenAmount

RACE_COLUMNS = (
    "at_s, market, borrower, liquidator, debt, repaid_raw, collateral, seized_raw, block_number, hash, "
    "sender, place, gas_wei, priority_fee_wei, deed, "
    "first_head, first_seen_at_s, last_head, why, net_wei, our_tip_wei, our_priority_fee_wei, "
    "winner_bid_wei, winner_gas_used"
)


def of_race(race: Race) -> tuple[object, ...]:
    """Return a race's columns."""
    one, winner, seen = race.liquidation, race.winner, race.sighting
    ours: tuple[object, ...] = (None,) * 7
    if seen is not None:
        ours = (
            seen.first_head,
            seen.first_seen_at_s,
            seen.last_head,
            seen.why,
            str(seen.net_wei),
            str(seen.tip_wei),
            str(seen.priority_fee_wei),
        )
    return (
        race.block_seen_at_s,
        one.position.market,
        one.position.borrower,
        one.liquidator,
        one.debt,
        str(one.repaid_raw),
        one.collateral,
        str(one.seized_raw),
        one.block_number,
        one.transaction,
        winner.sender,
        winner.place,
        str(winner.gas_wei),
        str(winner.priority_fee_wei),
        race.deed.value,
        *ours,
        None if winner.bid_wei is None else str(winner.bid_wei),
        winner.gas_used,
    )


def race(row: Sequence[Any]) -> Race:
    """Return the race in these columns."""
    at_s, market, borrower, liquidator, debt, repaid, collateral, seized, number, hash_ = row[:10]
    sender, place, gas, priority_fee, deed = row[10:15]
    return Race(
        liquidation=Liquidation(
            position=PositionId(market, Address(borrower)),
            liquidator=Address(liquidator),
            debt=None if debt is None else Address(debt),
            repaid_raw=int(repaid),
            collateral=None if collateral is None else Address(collateral),
            seized_raw=int(seized),
            block_number=number,
            transaction=Hash32(hash_),
        ),
        block_seen_at_s=at_s,
        winner=Winner(
            sender=Address(sender),
            place=place,
            gas_wei=int(gas),
            priority_fee_wei=int(priority_fee),
            bid_wei=None if row[22] is None else int(row[22]),
            gas_used=row[23],
        ),
        sighting=None if row[15] is None else _sighting(deed, row[15:22]),
    )


def of_positions(positions: Sequence[PositionId]) -> str:
    """Return positions as one column."""
    return json.dumps([[one.market, one.borrower.hex().upper()] for one in positions])


def positions(column: str) -> tuple[PositionId, ...]:
    """Return the positions in this column."""
    return tuple(
        PositionId(market, Address(bytes.fromhex(borrower))) for market, borrower in json.loads(column)
    )


def of_carried(carried: Sequence[Carried]) -> str:
    """Return what was carried as one column."""
    return json.dumps(
        [[one.spent.hex(), one.carried.hex(), str(one.paid_raw), str(one.received_raw)] for one in carried]
    )


def carried(column: str) -> tuple[Carried, ...]:
    """Return what was carried, in this column."""
    return tuple(
        Carried(
            spent=Address(bytes.fromhex(spent)),
            carried=Address(bytes.fromhex(token)),
            paid_raw=int(paid),
            received_raw=int(received),
        )
        for spent, token, paid, received in json.loads(column)
    )


def of_carry(carry: Carry) -> tuple[object, ...]:
    """Return the columns from `vault` to `booked_wei`."""
    amounts = (
        column
        for one in (carry.paid, carry.received)
        for column in (one.token.address, one.token.symbol, one.token.decimals, str(one.raw))
    )
    return (carry.vault, *amounts, str(carry.paid_wei), str(carry.booked_wei))


def carry(row: Sequence[Any]) -> Carry:
    """Return what is to be paid and kept, of the columns from `vault` to `booked_wei`."""

    def amount(address: bytes, symbol: str, decimals: int, raw: str) -> TokenAmount:
        token = Token(address=Address(address), symbol=symbol, decimals=decimals)
        return TokenAmount(token=token, raw=int(raw))

    return Carry(
        vault=Address(row[0]),
        paid=amount(*row[1:5]),
        received=amount(*row[5:9]),
        paid_wei=int(row[9]),
        booked_wei=int(row[10]),
    )


def of_waterfall(parts: Waterfall) -> tuple[int, ...]:
    """Return the columns from `bonus_wei` to `gas_wei`."""
    return (parts.bonus_wei, parts.price_impact_wei, parts.flash_fee_wei, parts.tip_wei, parts.gas_wei)


def waterfall(row: Sequence[Any]) -> Waterfall:
    """Return the waterfall in the columns from `bonus_wei` to `gas_wei`."""
    bonus, price_impact, flash_fee, tip, gas = map(int, row)
    return Waterfall(
        bonus_wei=bonus, price_impact_wei=price_impact, flash_fee_wei=flash_fee, tip_wei=tip, gas_wei=gas
    )


def _sighting(deed: str, row: Sequence[Any]) -> Sighting:
    first_head, first_seen_at_s, last_head, why, net, tip, priority_fee = row
    return Sighting(
        first_head=first_head,
        first_seen_at_s=first_seen_at_s,
        last_head=last_head,
        deed=Deed(deed),
        why=why,
        net_wei=int(net),
        tip_wei=int(tip),
        priority_fee_wei=int(priority_fee),
    )
