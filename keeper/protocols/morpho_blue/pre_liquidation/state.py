"""The contracts of one factory, each with the market that it closes positions of, and who opted in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from keeper.domain.address import Address
from keeper.protocols.morpho_blue.pre_liquidation.arithmetic import Parameters
from keeper.protocols.morpho_blue.state import IsolatedMarket, Position


@dataclass(frozen=True, slots=True, kw_only=True)
class Contract:
    """One pre-liquidation contract; it never changes."""

    address: Address
    market: str
    """The name of the market it is for."""
    parameters: Parameters
    oracle: Address
    """Its own; Morpho judges by the market's."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PreMarkets:
    """Every contract by its name, and the markets behind them. Compared by identity: it is large."""

    morpho: Address
    contracts: Mapping[str, Contract]
    markets: Mapping[str, IsolatedMarket]
    prices: Mapping[Address, int | None]
    """By oracle; None where it reverts."""


class PreRow(NamedTuple):
    """A borrower who may have opted into one contract."""

    contract: str
    authorised: bool
    position: Position
