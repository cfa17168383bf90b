"""A Morpho market of any kind, and a position in it, posed on the devnet's real contract by overrides.

The market is not created by a call: its words are where Morpho keeps them, so any totals, limit, fee and age
can be had. Oracle and rate model are code that answers one word. Where things are stored is what
``MorphoStorageLib`` tells.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from eth_abi.abi import encode
from eth_utils.crypto import keccak

from keeper.abi import load
from keeper.devnet.artifact import Artifact
from keeper.devnet.compile import MORPHO_SOLC, compile_sources
from keeper.devnet.morpho import SETTINGS
from keeper.domain.address import ZERO_ADDRESS, Address, Hash32
from keeper.domain.position import PositionId
from keeper.protocols.morpho_blue import MorphoBlue
from keeper.protocols.morpho_blue.state import IsolatedMarket, Markets, Position, Totals
from keeper.query import Log, run
from tests.fork.aave_v3_stage import AT, BORROWER, LIQUIDATOR, RICH, Place, Scene, Stage

MORPHO = load("morpho_blue")
_ERC20 = load("erc20")
_POSITIONS, _MARKETS, _PARAMS = 2, 3, 8
ORACLE, IRM, LENS = (Address(bytes([0xA0 + place]) * 20) for place in range(3))

_LENS = "tests/MorphoLens.sol"
_LENS_SOURCE = """// SPDX-License-Identifier: MIT
pragma solidity 0.8.19;

import {IMorpho, MarketParams} from "@morpho-org/morpho-blue/src/interfaces/IMorpho.sol";
import {MorphoBalancesLib} from "@morpho-org/morpho-blue/src/libraries/periphery/MorphoBalancesLib.sol";

/// What Morpho's own periphery expects of a market, and of a borrower, at the block's time.
contract MorphoLens {
    function expected(IMorpho morpho, MarketParams memory params, address borrower)
        external
        view
        returns (uint256 supplied, uint256 supplyShares, uint256 borrowed, uint256 borrowShares, uint256 owed)
    {
        (supplied, supplyShares, borrowed, borrowShares) =
            MorphoBalancesLib.expectedMarketBalances(morpho, params);
        owed = MorphoBalancesLib.expectedBorrowAssets(morpho, params, borrower);
    }
}
"""


@cache
def lens() -> Artifact:
    return compile_sources({_LENS: _LENS_SOURCE}, version=MORPHO_SOLC, settings=SETTINGS)["MorphoLens"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Posed:
    """What stands on the stage."""

    totals: Totals
    position: Position
    lltv_wad: int
    price: int | None
    """None: the oracle reverts."""
    rate_wad: int | None
    """None: the rate model reverts."""
    has_irm: bool = True
    collateral: str = "WETH"
    loan: str = "USDC"


class MorphoScene:
    """One market with one position, at one time."""

    def __init__(self, stage: Stage, posed: Posed, *, at_s: int) -> None:
        self.stage, self.posed, self.at_s = stage, posed, at_s
        self.morpho = stage.addresses.morpho
        self.protocol = MorphoBlue(morpho=self.morpho)
        self.scene = Scene(stage=stage, at_s=at_s)
        self._pose()

    # --- what it is

    @property
    def params(self) -> tuple[Address, Address, Address, Address, int]:
        tokens = self.stage.addresses.tokens
        irm = IRM if self.posed.has_irm else ZERO_ADDRESS
        return (tokens[self.posed.loan], tokens[self.posed.collateral], ORACLE, irm, self.posed.lltv_wad)

    @property
    def id(self) -> Hash32:
        return Hash32(keccak(encode(["address", "address", "address", "address", "uint256"], self.params)))

    @property
    def name(self) -> str:
        return self.protocol.market_name(self.id)

    @property
    def position_id(self) -> PositionId:
        return PositionId(self.name, BORROWER)

    # --- posing it

    def _pose(self) -> None:
        posed, scene, totals = self.posed, self.scene, self.posed.totals
        market = _mapped(self.id, _MARKETS)
        for place, (low, high) in enumerate(
            (
                (totals.supply_assets, totals.supply_shares),
                (totals.borrow_assets, totals.borrow_shares),
                (totals.updated_at_s, totals.fee_wad),
            )
        ):
            self._set(market + place, low | high << 128)
        if totals.updated_at_s:
            params = _mapped(self.id, _PARAMS)
            for place, one in enumerate(self.params):
                self._set(params + place, one if isinstance(one, int) else int.from_bytes(one))
        position = _mapped(BORROWER.rjust(32, b"\0"), _mapped(self.id, _POSITIONS))
        self._set(position + 1, posed.position.borrow_shares | posed.position.collateral << 128)
        scene.answer_always(ORACLE, posed.price)
        scene.answer_always(IRM, posed.rate_wad)
        scene.has_code(LENS, bytes.fromhex(lens().deployed_bytecode))
        tokens = self.stage.addresses.tokens
        balance, allowance = _ERC20.function("balanceOf"), _ERC20.function("allowance")
        for token in {tokens[posed.loan], tokens[posed.collateral]}:
            for holder in (LIQUIDATOR, self.morpho):
                scene.set(self.stage.place(token, balance, holder), RICH)
            scene.set(self.stage.place(token, allowance, LIQUIDATOR, self.morpho), RICH)

    def _set(self, slot: int, word: int) -> None:
        self.scene.set(Place(self.morpho, slot), word)

    # --- reading it as the keeper does

    async def read(self) -> tuple[IsolatedMarket, Position]:
        """Return the market and the position, found by the event that would have created it."""
        created = Log(
            emitter=self.morpho,
            topics=(MORPHO.event("CreateMarket").topic, self.id),
            data=b"",
            block_number=1,
            log_index=0,
            transaction=Hash32(bytes(32)),
        )
        markets = await run(
            self.protocol.refresh(Markets(by_name={}), configuration=True, logs=[created], at_s=self.at_s),
            AT,
            self.scene,
        )
        market = markets.by_name[self.name]
        listing = market.listing
        (row,) = await run(self.protocol.rows(markets, [self.position_id]), AT, self.scene)
        assert listing.params == self.params
        return market, row.position


def _mapped(key: bytes, slot: int) -> int:
    return int.from_bytes(keccak(key + slot.to_bytes(32)))
