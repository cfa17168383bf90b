"""What `keeper run` logs in JSON, read back into the values that it told of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from keeper.domain.address import Hash32, parse_address
from keeper.domain.declined import Declined, Reason
from keeper.domain.depth import Flow, Hop, Route
from keeper.domain.plan import Close, Draft, Fees, Objective, Plan, Transaction, Waterfall
from keeper.domain.position import PositionId
from keeper.domain.token import Token, TokenAmount

Line: TypeAlias = Mapping[str, Any]
"""One event: its name in ``event``, its fields by theirs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """As much of a submission as is logged: its bytes are not."""

    hash: Hash32
    position: PositionId
    nonce: int
    predicted_profit_wei: int


def head_number(line: Line) -> int:
    """Return the number of the head that an event is about."""
    return int(line["head"]["number"])


def sent(line: Line) -> Sent:
    """Return the submission that an event is about."""
    told = line["submission"]
    return Sent(
        hash=Hash32(_raw(told["transaction"]["hash"])),
        position=_position(told),
        nonce=told["nonce"],
        predicted_profit_wei=int(told["predicted_profit_wei"]),
    )


def claimed_wei(line: Line) -> int:
    """Return what the keeper says a concluded submission earned; 0 where it was not included."""
    outcome = line["outcome"]
    return int(outcome["realised_profit_wei"]) if outcome["kind"] == "included" else 0


def left(line: Line) -> tuple[PositionId, Declined]:
    """Return what was left alone, and why."""
    why = line["why"]
    return _position(line), Declined(reason=Reason(why["reason"]), detail=why["detail"])


def plan(line: Line) -> Plan:
    """Return the plan that an event is about."""
    told = line["plan"]
    draft, fees = told["draft"], told["fees"]
    return Plan(
        draft=Draft(
            market=draft["market"],
            borrower=parse_address(draft["borrower"]),
            health_factor_wad=int(draft["health_factor_wad"]),
            objective=Objective(draft["objective"]),
            closes=tuple(map(_close, draft["closes"])),
            funding=draft["funding"],
            waterfall=_waterfall(draft["waterfall"]),
            pools=frozenset(map(parse_address, draft["pools"])),
            floor_wei=int(draft["floor_wei"]),
            deadline_s=draft["deadline_s"],
            transaction=Transaction(
                to=parse_address(draft["transaction"]["to"]), data=_raw(draft["transaction"]["data"])
            ),
        ),
        gas_used=told["gas_used"],
        waterfall=_waterfall(told["waterfall"]),
        fees=Fees(
            gas_limit=fees["gas_limit"],
            max_fee_per_gas_wei=int(fees["max_fee_per_gas_wei"]),
            max_priority_fee_per_gas_wei=int(fees["max_priority_fee_per_gas_wei"]),
        ),
    )


def _position(told: Line) -> PositionId:
    return PositionId(told["market"], parse_address(told["borrower"]))


def _close(told: Line) -> Close:
    return Close(
        repaid=_amount(told["repaid"]),
        seized=_amount(told["seized"]),
        owed=_amount(told["owed"]),
        buys=tuple(map(_flow, told["buys"])),
        sells=tuple(map(_flow, told["sells"])),
        flash_fee=_amount(told["flash_fee"]),
        waterfall=_waterfall(told["waterfall"]),
        health_factor_after_wad=int(told["health_factor_after_wad"]),
    )


def _amount(told: Line) -> TokenAmount:
    token = told["token"]
    return TokenAmount(
        token=Token(
            address=parse_address(token["address"]), symbol=token["symbol"], decimals=token["decimals"]
        ),
        raw=int(told["raw"]),
    )


def _flow(told: Line) -> Flow:
    return Flow(route=_route(told["route"]), amounts_raw=tuple(map(int, told["amounts_raw"])))


def _route(told: Line) -> Route:
    return Route(
        hops=tuple(
            Hop(
                pool=parse_address(hop["pool"]),
                venue=hop["venue"],
                token_in=parse_address(hop["token_in"]),
                token_out=parse_address(hop["token_out"]),
                fee_ppm=hop["fee_ppm"],
            )
            for hop in told["hops"]
        )
    )


def _waterfall(told: Line) -> Waterfall:
    return Waterfall(
        bonus_wei=int(told["bonus_wei"]),
        price_impact_wei=int(told["price_impact_wei"]),
        flash_fee_wei=int(told["flash_fee_wei"]),
        gas_wei=int(told["gas_wei"]),
        tip_wei=int(told["tip_wei"]),
    )


def _raw(text: str) -> bytes:
    return bytes.fromhex(text.removeprefix("0x"))
