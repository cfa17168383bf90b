"""Any value of the domain as JSON: its fields by name, in full.

An amount (a field whose name ends in its unit: ``_raw _wei _wad _ray _base``, or a token amount's ``raw``) is
a decimal string, since it may exceed 2**53; counts, times and bps are numbers. Addresses and hashes are
full; a fraction is ``"23/25"``; an enumeration is its value; a value of a union that is told apart by its
kind says it in ``kind``.
"""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import fields, is_dataclass
from enum import Enum
from fractions import Fraction
from typing import TypeAlias

from keeper.domain.address import Address, checksum
from keeper.domain.carriage import Carry
from keeper.domain.declined import Declined
from keeper.domain.ledger import Entry, Split
from keeper.domain.plan import Close, Draft, Plan, Waterfall
from keeper.domain.position import PositionId
from keeper.domain.race import Race
from keeper.domain.report import Lender
from keeper.domain.submission import Expired, Included, Reverted, SignedTransaction, Superseded

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"

_AMOUNTS = ("_raw", "_wei", "_wad", "_ray", "_base")
_ADDRESS_BYTES = 20

_DERIVED: Mapping[type, tuple[str, ...]] = {
    Waterfall: ("vault_wei", "net_wei"),
    Close: ("close_factor_bps",),
    Lender: ("would_do",),
    Included: ("gas_wei", "realised_profit_wei"),
    Reverted: ("gas_wei", "realised_profit_wei"),
    Race: ("deed", "verdict", "blocks_ahead", "ms_ahead", "outbid_by_wei"),
    Split: ("net_wei",),
    Entry: ("protocol", "predicted", "realised", "parts", "carried"),
    Carry: ("gain_wei",),
}
"""Properties that belong to what a value tells, besides its fields."""

_KINDS: Mapping[type, str] = {
    kind: kind.__name__.lower() for kind in (Declined, Plan, Close, Included, Reverted, Expired, Superseded)
}

_WITHHELD: Mapping[type, tuple[str, ...]] = {SignedTransaction: ("raw",), Draft: ("parts",)}
"""What anybody could send who reads it, and what is told already."""


def as_json(value: object) -> Json:
    """Return `value` as what ``json.dumps`` takes. Raises TypeError for what no value of the domain holds."""
    match value:
        case Enum():
            return as_json(value.value)
        case None | bool() | int() | float() | str():
            return value
        case Fraction():
            return str(value)
        case bytes():
            return checksum(Address(value)) if len(value) == _ADDRESS_BYTES else "0x" + value.hex()
        case Mapping():
            return {_key(key): as_json(held) for key, held in value.items()}
        case PositionId():
            return {"market": value.market, "borrower": as_json(value.borrower)}
        case tuple() | list():
            return [as_json(held) for held in value]
        case Set():
            return sorted((as_json(held) for held in value), key=str)
        case _ if is_dataclass(value) and not isinstance(value, type):
            withheld = _WITHHELD.get(type(value), ())
            names = [field.name for field in fields(value) if field.name not in withheld]
            names += _DERIVED.get(type(value), ())
            kind = _KINDS.get(type(value))
            known: dict[str, Json] = {"kind": kind} if kind else {}
            return known | {name: _field(name, getattr(value, name)) for name in names}
        case _:
            raise TypeError(f"a {type(value).__name__} has no form in JSON")


def _field(name: str, value: object) -> Json:
    if type(value) is int and (name == "raw" or name.endswith(_AMOUNTS)):
        return str(value)
    if isinstance(value, tuple) and name.endswith(_AMOUNTS):
        return [_field(name, one) for one in value]
    return as_json(value)


def _key(key: object) -> str:
    shown = as_json(key)
    return shown if isinstance(shown, str) else str(shown)
