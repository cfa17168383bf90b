"""Reading and following a real pool: what is read, in how many rounds, and whom its logs name."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest

from keeper.abi import load
from keeper.devnet.aave import compile_aave
from keeper.devnet.devnet import Devnet
from keeper.devnet.tokens import give
from keeper.domain.address import Address, Hash32, checksum
from keeper.domain.declined import Reason
from keeper.domain.errors import Broken
from keeper.domain.head import NextBlock
from keeper.domain.position import PositionId
from keeper.protocols.aave_v3 import AaveV3, revision_10
from keeper.protocols.aave_v3.state import Market, Row
from keeper.query import Log, run
from tests.fork.aave_v3_stage import AT, LIQUIDATOR, Scene, Stage

_POOL = load("aave_v3_pool")
_ACCOUNT = _POOL.function("getUserAccountData")
_SYMBOL = load("erc20").function("symbol").selector
_DECIMALS = load("erc20").function("decimals").selector


@pytest.fixture
def stage(devnet: Devnet) -> Stage:
    return Stage(devnet)


def now(stage: Stage, *, after_s: int = 1) -> Scene:
    """Return the devnet as it is, so many seconds after its head."""
    return Scene(stage=stage, at_s=stage.devnet.now_s + after_s)


def protocol_of(stage: Stage) -> AaveV3:
    return AaveV3(pool=stage.addresses.pool)


async def opened(stage: Stage) -> tuple[AaveV3, Market]:
    protocol = protocol_of(stage)
    return protocol, await run(protocol.open(), AT, now(stage))


def ids(protocol: AaveV3, people: Sequence[Address]) -> list[PositionId]:
    return [PositionId(protocol.name, one) for one in people]


async def rows_of(stage: Stage, people: Sequence[Address]) -> dict[Address, Row]:
    protocol, market = await opened(stage)
    rows = await run(protocol.rows(market, ids(protocol, people)), AT, now(stage))
    return dict(zip(people, rows, strict=True))


def logs_since(stage: Stage, block: int, emitters: Sequence[Address], topics: Sequence[Hash32]) -> list[Log]:
    """Return the logs after `block`, as a World would."""
    wanted = {
        "fromBlock": hex(block + 1),
        "toBlock": "latest",
        "address": [f"0x{emitter.hex()}" for emitter in emitters],
        "topics": [[f"0x{topic.hex()}" for topic in topics]],
    }
    return [
        Log(
            emitter=Address(bytes.fromhex(log["address"][2:])),
            topics=tuple(Hash32(bytes.fromhex(topic[2:])) for topic in log["topics"]),
            data=bytes.fromhex(log["data"][2:]),
            block_number=int(log["blockNumber"], 16),
            log_index=int(log["logIndex"], 16),
            transaction=Hash32(bytes.fromhex(log["transactionHash"][2:])),
        )
        for log in stage.devnet.anvil.rpc("eth_getLogs", wanted)
    ]


# --- reading ------------------------------------------------------------------------------------------------


async def test_open__real_pool__every_reserve_in_three_rounds_and_one_a_head(stage: Stage) -> None:
    protocol, scene = protocol_of(stage), now(stage)
    market = await run(protocol.open(), AT, scene)
    assert scene.rounds == 3
    addresses = stage.addresses
    assert {token.symbol: token.address for token in protocol.tokens(market)} == addresses.tokens
    by_symbol = {reserve.token.symbol: reserve for reserve in market.reserves.values()}
    assert {symbol: reserve.price_base for symbol, reserve in by_symbol.items()} == stage.devnet.prices_base()
    assert {symbol: reserve.a_token for symbol, reserve in by_symbol.items()} == addresses.a_tokens
    assert {symbol: reserve.debt_token for symbol, reserve in by_symbol.items()} == addresses.debt_tokens
    assert market.sentinel == addresses.sentinel
    assert market.sentinel_allows
    assert [e_mode.liquidation_bonus_bps for e_mode in market.e_modes.values()] == [10_100]
    scene.rounds = 0
    again = await run(protocol.refresh(market, configuration=False), AT, scene)
    assert scene.rounds == 1
    assert again.reserves == market.reserves
    assert again.e_modes == market.e_modes


@pytest.mark.parametrize("after_s", [1, 12, 86_400, 3 * 365 * 86_400 + 7])
async def test_health__all_borrowers_later__equals_get_user_account_data(stage: Stage, after_s: int) -> None:
    protocol, market = await opened(stage)
    scene = now(stage, after_s=after_s)
    people = stage.addresses.borrowers
    rows = await run(protocol.rows(market, ids(protocol, people)), AT, scene)
    assert scene.rounds == 2
    answers = scene.run([(LIQUIDATOR, stage.addresses.pool, _ACCOUNT.encode(one)) for one in people])
    for row, answer in zip(rows, answers, strict=True):
        real = _ACCOUNT.decode(answer.returned)
        assert protocol.owes(row)
        assert revision_10.account_data(revision_10.account(market, row, at_s=scene.at_s)) == real
        (health,) = protocol.healths(market, [row], at_s=scene.at_s)
        assert (health.collateral_base, health.debt_base, health.health_factor_wad) == (*real[:2], real[5])
        collateral, debt = protocol.holdings(market, row, at_s=scene.at_s)
        assert sum(one.value_base for one in collateral) == health.collateral_base
        assert sum(one.value_base for one in debt) == health.debt_base


def of_revision(stage: Stage, number: int) -> Scene:
    """Return a scene with a pool that says it is of that revision, and lists nothing."""
    scene = now(stage)
    scene.answers(
        stage.addresses.pool,
        {
            _POOL.function("POOL_REVISION").selector: number.to_bytes(32),
            _POOL.function("ADDRESSES_PROVIDER").selector: stage.addresses.provider.rjust(32, b"\0"),
            _POOL.function("getReservesList").selector: (32).to_bytes(32) + bytes(32),
        },
    )
    return scene


async def test_open__unknown_revision__broken_and_named(stage: Stage) -> None:
    with pytest.raises(Broken, match=r"revision 12 is not known, .* unless KEEPER_ALLOW_UNVERIFIED=true"):
        await run(protocol_of(stage).open(), AT, of_revision(stage, 12))


async def test_open__unknown_revision_allowed__read_as_the_newest_known(stage: Stage) -> None:
    protocol = AaveV3(pool=stage.addresses.pool, allow_unverified=True)
    market = await run(protocol.open(), AT, of_revision(stage, 12))
    assert market.revision == 12
    assert market.sentinel is None  # as in revision 11, though the provider names one
    again = await run(protocol.refresh(market, configuration=False), AT, of_revision(stage, 12))
    assert again.revision == 12


async def test_open__revision_without_a_sentinel__asks_none(stage: Stage) -> None:
    assert (await run(protocol_of(stage).open(), AT, of_revision(stage, 10))).sentinel is not None
    assert (await run(protocol_of(stage).open(), AT, of_revision(stage, 11))).sentinel is None


async def test_open__no_contract_there__broken(stage: Stage) -> None:
    with pytest.raises(Broken):
        await run(AaveV3(pool=Address(b"\x0e" * 20)).open(), AT, now(stage))


_TEXT = (32).to_bytes(32) + (4).to_bytes(32) + b"ODD\n".ljust(32, b"\0")


@pytest.mark.parametrize(
    ("answers", "symbol", "fault"),
    [
        ({_SYMBOL: b"MKR".ljust(32, b"\0"), _DECIMALS: (8).to_bytes(32)}, "MKR", None),
        ({_SYMBOL: _TEXT, _DECIMALS: (8).to_bytes(32)}, "ODD", None),
        ({_DECIMALS: (8).to_bytes(32)}, None, None),
        ({_SYMBOL: b"\xff" * 32, _DECIMALS: (8).to_bytes(32)}, None, None),
        ({_SYMBOL: _TEXT}, "ODD", "its decimals() fails"),
        ({_SYMBOL: _TEXT, _DECIMALS: b""}, "ODD", "its decimals() fails"),
        ({_SYMBOL: _TEXT, _DECIMALS: b"\xff" * 32}, "ODD", "its decimals() fails"),
        (
            {_SYMBOL: _TEXT, _DECIMALS: (9).to_bytes(32)},
            "ODD",
            "its decimals() says 9 where the market counts 8",
        ),
    ],
    ids=[
        "symbol of bytes32",
        "symbol with a line break",
        "symbol reverts",
        "symbol is no text",
        "decimals reverts",
        "decimals empty",
        "decimals absurd",
        "decimals of another count",
    ],
)
async def test_open__odd_token__keeps_the_market_and_its_healths(
    stage: Stage, answers: Mapping[bytes, bytes], symbol: str | None, fault: str | None
) -> None:
    protocol, healthy = await opened(stage)
    scene = now(stage)
    odd = stage.addresses.tokens["WBTC"]
    scene.answers(odd, answers)
    market = await run(protocol.open(), AT, scene)
    (reserve,) = [one for one in market.reserves.values() if one.token.address == odd]
    shown = f"{checksum(odd)[:6]}…{checksum(odd)[-4:]}" if symbol is None else symbol
    assert reserve.token.symbol == shown
    assert reserve.fault == fault
    assert (reserve.token in protocol.tokens(market)) == (fault is None)
    rows = await run(protocol.rows(market, ids(protocol, stage.addresses.borrowers)), AT, scene)
    assert protocol.healths(market, rows, at_s=scene.at_s) == protocol.healths(healthy, rows, at_s=scene.at_s)


async def test_opportunity__price_of_zero_from_the_oracle__declines_and_spares_the_others(
    stage: Stage,
) -> None:
    protocol, _ = await opened(stage)
    scene = now(stage)
    scene.price("WETH", 1_000 * 10**8)
    scene.price("wstETH", 0)
    market = await run(protocol.open(), AT, scene)
    rows = await run(protocol.rows(market, ids(protocol, stage.addresses.borrowers)), AT, scene)
    block = NextBlock(number=1, timestamp_s=scene.at_s, base_fee_wei=0, coinbase=LIQUIDATOR)
    found = [
        protocol.opportunity(market, PositionId(protocol.name, one), row, block=block, deadline_s=scene.at_s)
        for one, row in zip(stage.addresses.borrowers, rows, strict=True)
    ]
    unpriced = [one for one in found if any(pair.why.reason is Reason.ZERO_PRICE for pair in one.declined)]
    assert unpriced
    assert all(one.terms == () for one in unpriced)
    assert any(one.terms for one in found)


# --- following ----------------------------------------------------------------------------------------------


async def test_discovery__from_the_deployment_on__names_every_borrower(stage: Stage) -> None:
    protocol, market = await opened(stage)
    wanted = protocol.discovery(market)
    found = logs_since(stage, stage.addresses.deployment_block - 1, wanted.emitters, wanted.topics)
    named = protocol.touched(market, found)
    assert named.borrowers >= set(stage.addresses.borrowers)
    assert not named.configuration


class People:
    """Two suppliers with tokens, and what anybody does at the pool: each a transaction of its own."""

    def __init__(self, devnet: Devnet) -> None:
        self.devnet = devnet
        self.addresses = devnet.addresses
        artifacts = compile_aave()
        self.pool = devnet.contract(self.addresses.pool, artifacts["PoolInstance"].interface)
        configurator = artifacts["PoolConfiguratorInstance"].interface
        self.configurator = devnet.contract(self.addresses.configurator, configurator)
        self.tokens = {
            symbol: devnet.contract(
                token, artifacts["TestnetERC20" if symbol != "WETH" else "WETH9"].interface
            )
            for symbol, token in self.addresses.tokens.items()
        }
        self.a_weth = devnet.contract(self.addresses.a_tokens["WETH"], artifacts["ATokenInstance"].interface)
        self.alice, self.bob = devnet.rival.address, devnet.attacker.address
        self.admin = devnet.market.address
        for person in (self.alice, self.bob):
            for symbol, raw in (("WETH", 100 * 10**18), ("USDC", 500_000 * 10**6)):
                give(self.tokens, symbol, raw, to=person, market=self.admin)
                self.tokens[symbol].send("approve", self.pool, raw, sender=person)

    def do(self, name: str, *arguments: object, by: Address) -> None:
        self.pool.send(name, *arguments, sender=by)


def actions(people: People) -> list[tuple[str, Callable[[], object], frozenset[Address]]]:
    """Return what is done, in order, and whose position it changes."""
    weth, usdc = people.addresses.tokens["WETH"], people.addresses.tokens["USDC"]
    alice, bob = people.alice, people.bob
    borrower = people.addresses.borrowers[0]  # in the e-mode: wstETH against WETH
    wsteth = people.addresses.tokens["wstETH"]

    def crash() -> None:
        people.devnet.set_price("wstETH", people.devnet.price_base("wstETH") * 9 // 10)

    return [
        ("supply", lambda: people.do("supply", weth, 10**19, alice, 0, by=alice), frozenset({alice})),
        ("borrow", lambda: people.do("borrow", usdc, 5 * 10**9, 2, 0, alice, by=alice), frozenset({alice})),
        ("repay", lambda: people.do("repay", usdc, 10**9, 2, alice, by=alice), frozenset({alice})),
        ("repay for another", lambda: people.do("repay", usdc, 10**9, 2, alice, by=bob), frozenset({alice})),
        (
            "supply for another",
            lambda: people.do("supply", usdc, 10**9, alice, 0, by=bob),
            frozenset({alice}),
        ),
        (
            "repay with aTokens",
            lambda: people.do("repayWithATokens", usdc, 10**8, 2, by=alice),
            frozenset({alice}),
        ),
        ("withdraw", lambda: people.do("withdraw", weth, 10**18, alice, by=alice), frozenset({alice})),
        (
            "collateral off",
            lambda: people.do("setUserUseReserveAsCollateral", usdc, False, by=alice),
            frozenset({alice}),
        ),
        (
            "collateral on",
            lambda: people.do("setUserUseReserveAsCollateral", usdc, True, by=alice),
            frozenset({alice}),
        ),
        (
            "transfer of aTokens",
            lambda: people.a_weth.send("transfer", bob, 10**18, sender=alice),
            frozenset({alice}),  # what arrives is no collateral before its owner says so
        ),
        (
            "collateral on for what arrived",
            lambda: people.do("setUserUseReserveAsCollateral", weth, True, by=bob),
            frozenset({bob}),
        ),
        ("e-mode", lambda: people.do("setUserEMode", 1, by=bob), frozenset({bob})),
        ("crash", crash, frozenset()),
        (
            "liquidation for aTokens",
            lambda: people.do("liquidationCall", wsteth, weth, borrower, 10**18, True, by=alice),
            frozenset({borrower}),
        ),
        (
            "liquidation",
            lambda: people.do("liquidationCall", wsteth, weth, borrower, 10**19, False, by=alice),
            frozenset({borrower}),
        ),
    ]


async def test_touched__whatever_people_do__names_those_whose_rows_changed(stage: Stage) -> None:
    people = People(stage.devnet)
    protocol, market = await opened(stage)
    wanted = protocol.concerns(market)
    everybody = [people.alice, people.bob, *stage.addresses.borrowers]
    before = await rows_of(stage, everybody)
    for name, act, whose in actions(people):
        block = stage.devnet.chain.block_number()
        act()
        named = protocol.touched(market, logs_since(stage, block, wanted.emitters, wanted.topics))
        after = await rows_of(stage, everybody)
        changed = {person for person in everybody if before[person] != after[person]}
        assert changed == whose, name
        assert changed <= named.borrowers, name
        assert not named.configuration, name
        before = after


@pytest.mark.parametrize(
    ("name", "arguments", "concerns_us"),
    [
        ("setReservePause", ("WETH", True, 0), True),
        ("configureReserveAsCollateral", ("WETH", 7_000, 7_500, 10_600), True),
        ("setLiquidationProtocolFee", ("WETH", 2_000), True),
        ("setEModeCategory", (2, 9_000, 9_200, 10_200, "stable"), True),
        ("setAssetCollateralInEMode", ("WBTC", 1, True), True),
        ("setSupplyCap", ("WETH", 10**9), False),
        ("setReserveFreeze", ("WETH", True), True),  # it takes the loan-to-value away
    ],
)
async def test_touched__market_configured__is_told_and_read_again(
    stage: Stage, name: str, arguments: tuple[Any, ...], concerns_us: bool
) -> None:
    people = People(stage.devnet)
    protocol, market = await opened(stage)
    wanted = protocol.concerns(market)
    block = stage.devnet.chain.block_number()
    given = [stage.addresses.tokens.get(one, one) if isinstance(one, str) else one for one in arguments]
    people.configurator.send(name, *given, sender=people.admin)
    named = protocol.touched(market, logs_since(stage, block, wanted.emitters, wanted.topics))
    assert named.configuration == concerns_us
    again = await run(protocol.refresh(market, configuration=True), AT, now(stage))
    assert ((again.reserves, again.e_modes) != (market.reserves, market.e_modes)) == concerns_us


async def test_touched__logs_of_other_contracts_or_without_topics__passed_over(stage: Stage) -> None:
    protocol, market = await opened(stage)
    wanted = protocol.discovery(market)
    (real, *_) = logs_since(stage, stage.addresses.deployment_block - 1, wanted.emitters, wanted.topics)
    odd = [
        real._replace(emitter=Address(b"\x0e" * 20)),
        real._replace(topics=()),
        real._replace(topics=real.topics[:1]),
        real._replace(topics=(Hash32(b"\x0e" * 32), *real.topics[1:])),
    ]
    assert protocol.touched(market, odd).borrowers == frozenset()
    assert protocol.touched(market, [real]).borrowers == {Address(real.topics[2][-20:])}
