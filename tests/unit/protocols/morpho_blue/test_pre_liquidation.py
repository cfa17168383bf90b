"""Which contracts a factory's logs, or an earlier run, add: those that are there, of watched markets."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import pytest
from eth_abi.abi import encode

from keeper.abi import load
from keeper.domain.address import ZERO_ADDRESS, Address, Hash32, checksum
from keeper.domain.fixed_point import WAD
from keeper.domain.state import Mined, StateRef
from keeper.protocols.morpho_blue.pre_liquidation import MorphoPreLiquidation
from keeper.protocols.morpho_blue.pre_liquidation.state import PreMarkets
from keeper.query import Answer, Ask, Call, Log, run
from tests.unit.protocols.morpho_blue.markets import BLUE, MORPHO, ORACLE, USDC, WETH

FACTORY = Address(b"\xfa" * 20)
HERE, ELSEWHERE, GONE = (Address(bytes([0xC0 + place]) * 20) for place in range(3))
IDS = {HERE: Hash32(b"\x01" * 32), ELSEWHERE: Hash32(b"\x02" * 32)}
_BLUE, _PRE, _TOKEN = load("morpho_blue"), load("morpho_pre_liquidation"), load("erc20")
_PARAMETERS = (80 * WAD // 100, WAD // 4, WAD // 2, 101 * WAD // 100, 104 * WAD // 100)


class Chain:
    """A World of two contracts and the markets that they are for; elsewhere is no code."""

    def __init__(self) -> None:
        self.asked: set[Ask] = set()
        self._answers = dict(_told())

    async def answer(self, asks: Sequence[Ask], at: StateRef) -> tuple[Answer, ...]:
        self.asked |= set(asks)
        return tuple(self._answers.get(ask, b"") for ask in asks if isinstance(ask, Call))


def _told() -> Iterator[tuple[Call, bytes]]:
    no_market = bytes(32)
    yield Call(FACTORY, _PRE.function("MORPHO").encode()), MORPHO.rjust(32, b"\0")
    yield Call(MORPHO, _BLUE.function("owner").encode()), MORPHO.rjust(32, b"\0")
    for id_ in (no_market, *IDS.values()):
        made_of = (
            [ZERO_ADDRESS] * 4 if id_ == no_market else [USDC.address, WETH.address, ORACLE, ZERO_ADDRESS]
        )
        yield market_call(id_), encode(["uint128"] * 6, [0] * 6)
        yield (
            Call(MORPHO, _BLUE.function("idToMarketParams").encode(id_)),
            encode(["address"] * 4 + ["uint256"], [*made_of, 86 * WAD // 100]),
        )
    for contract, id_ in IDS.items():
        yield Call(contract, _PRE.function("ID").encode()), id_
        words = [*_PARAMETERS, ORACLE]
        yield (
            Call(contract, _PRE.function("preLiquidationParams").encode()),
            encode(["uint256"] * 5 + ["address"], words),
        )
    yield Call(ORACLE, load("morpho_oracle").function("price").encode()), (10**36).to_bytes(32)
    for token in (USDC, WETH):
        yield Call(token.address, _TOKEN.function("decimals").encode()), token.decimals.to_bytes(32)
        yield Call(token.address, _TOKEN.function("symbol").encode()), encode(["string"], [token.symbol])


def market_call(id_: bytes) -> Call:
    return Call(MORPHO, _BLUE.function("market").encode(id_))


async def opened(chain: Chain, only: frozenset[Hash32]) -> PreMarkets:
    protocol = MorphoPreLiquidation(factory=FACTORY, only=only)
    return await run(protocol.open([HERE, ELSEWHERE, GONE]), Mined(hash=Hash32(b"\x0b" * 32)), chain)


def addresses(market: PreMarkets) -> Mapping[Address, str]:
    return {one.address: one.market for one in market.contracts.values()}


async def test_open__a_contract_that_is_on_the_chain_no_more__left_out() -> None:
    market = await opened(Chain(), frozenset())
    assert addresses(market) == {one: BLUE.market_name(id_) for one, id_ in IDS.items()}
    assert set(market.markets) == {BLUE.market_name(id_) for id_ in IDS.values()}


@pytest.mark.parametrize("contract", [HERE, ELSEWHERE])
async def test_open__some_markets_allowed__no_other_is_read(contract: Address) -> None:
    chain = Chain()
    market = await opened(chain, frozenset({IDS[contract]}))
    assert addresses(market) == {contract: BLUE.market_name(IDS[contract])}
    assert {id_ for id_ in IDS.values() if market_call(id_) in chain.asked} == {IDS[contract]}


async def test_liquidations__a_contracts_own_event__names_its_borrower_and_liquidator() -> None:
    """Of a contract that is watched; the same event of another one is nobody's here."""
    protocol = MorphoPreLiquidation(factory=FACTORY)
    market = await opened(Chain(), frozenset({IDS[HERE]}))
    wanted = protocol.liquidating(market)
    assert wanted.emitters == (HERE,)
    liquidator, borrower = Address(b"\x0a" * 20), Address(b"\x0b" * 20)
    topics = (wanted.topics[0], IDS[HERE], *(Hash32(one.rjust(32, b"\0")) for one in (liquidator, borrower)))
    data = encode(["uint256"] * 3, [70, 7, 9])
    logs = [Log(emitter, topics, data, 12, 3, Hash32(b"\x0c" * 32)) for emitter in (HERE, ELSEWHERE)]
    (one,) = protocol.liquidations(market, logs)
    assert one.position.market.endswith(checksum(HERE)) and one.position.borrower == borrower
    assert (one.liquidator, one.repaid_raw, one.seized_raw) == (liquidator, 70, 9)
