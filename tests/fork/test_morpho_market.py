"""Reading and following a real Morpho: what is read, in how many rounds, whom logs name, who is spared."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace

import pytest

from keeper.devnet import Devnet
from keeper.devnet.aave import compile_aave
from keeper.devnet.chain import Contract
from keeper.devnet.morpho import MARKETS, compile_morpho
from keeper.devnet.own import compile_own
from keeper.domain.address import Address, Hash32
from keeper.domain.declined import Declined, Reason
from keeper.domain.errors import Broken
from keeper.domain.head import Head
from keeper.domain.plan import Plan
from keeper.domain.state import Mined, StateRef
from keeper.engine import Considered
from keeper.planner.options import PlannerOptions
from keeper.protocols.morpho_blue import MorphoBlue
from keeper.query import Answer, Ask, run
from keeper.watcher import Book
from keeper.watcher.book import AnyBook
from tests.fork.keeper_stage import Stage, aave_book, morpho_book, stage

ALICE = Address(b"\xa1" * 20)
PRICE_SCALE = 10**36


def options_for(devnet: Devnet, **changes: object) -> PlannerOptions:
    addresses = devnet.addresses
    options = PlannerOptions(intermediates=(addresses.weth, addresses.tokens["USDC"]))
    return replace(options, **changes)  # type: ignore[arg-type]


class Acting:
    """Somebody who uses Morpho on the devnet; what they do waits for the next block."""

    def __init__(self, devnet: Devnet) -> None:
        self.devnet = devnet
        self.there = devnet.addresses
        self.admin = devnet.market.address
        self.morpho = devnet.contract(self.there.morpho, compile_morpho()["Morpho"].interface)
        devnet.chain.set_balance(ALICE, 10**21)
        devnet.anvil.rpc("anvil_impersonateAccount", "0x" + ALICE.hex())

    def params(self, name: str, *, lltv_wad: int | None = None) -> tuple[object, ...]:
        there, spec = self.there, MARKETS[name]
        return (
            there.tokens[spec.loan],
            there.tokens[spec.collateral],
            there.morpho_oracles[name],
            there.morpho_irm,
            lltv_wad or spec.lltv_wad,
        )

    def oracle(self, name: str) -> Contract:
        interface = compile_own()["RatioOracle"].interface
        return self.devnet.contract(self.there.morpho_oracles[name], interface)

    def wraps(self, wei: int) -> None:
        """Let Alice have so much WETH, that Morpho may take."""
        weth = self.devnet.contract(self.there.weth, compile_aave()["WETH9"].interface)
        data = weth.interface.encode("deposit")
        self.devnet.chain.post(ALICE, self.there.weth, data, value_wei=wei)
        weth.post("approve", self.morpho, 2**256 - 1, sender=ALICE)

    def posts(self, name: str, *arguments: object, by: Address = ALICE) -> None:
        self.morpho.post(name, *arguments, sender=by)


class Counted:
    """A World that counts how often it is asked."""

    def __init__(self, on: Stage) -> None:
        self._world = on.engine._world
        self.rounds = 0

    async def answer(self, asks: Sequence[Ask], at: StateRef) -> tuple[Answer, ...]:
        self.rounds += 1
        return await self._world.answer(asks, at)


@pytest.fixture
async def on(manual_devnet: Devnet) -> AsyncIterator[Stage]:
    books = (aave_book(manual_devnet), morpho_book(manual_devnet))
    async with stage(manual_devnet, options_for(manual_devnet), books=books) as keeper:
        await keeper.engine.observe(await keeper.head())
        yield keeper


def morpho_of(on: Stage) -> AnyBook:
    return on.watcher.books[1]


async def advanced(on: Stage, book: AnyBook, head: Head) -> int:
    """Bring a book to a head, and return in how many rounds."""
    world = Counted(on)
    book.apply(await run(book.advance(head), Mined(hash=head.hash), world))
    return world.rounds


async def assert_as_if_opened_here(on: Stage) -> None:
    head = await on.head()
    fresh, followed = morpho_book(on.devnet), morpho_of(on)
    await advanced(on, fresh, head)
    assert followed.head == head
    assert followed.rows == fresh.rows
    here, there = ({name: one.totals for name, one in b.market.by_name.items()} for b in (followed, fresh))
    assert here == there
    for name, one in fresh.market.by_name.items():
        if one.is_live:
            known = followed.market.by_name[name]
            assert (known.price, known.rate_wad) == (one.price, one.rate_wad)


async def decided(on: Stage) -> list[Considered]:
    """Return what is decided on Morpho's positions upon the newest head."""
    considered = await on.engine.decide(await on.engine.observe(await on.head()))
    return [one for one in considered if one.opportunity.market.startswith("morpho:")]


def fall(on: Stage, ratio: float) -> None:
    prices = {symbol: on.devnet.price_base(symbol) for symbol in ("WETH", "WBTC", "wstETH")}
    on.devnet.market_block({symbol: int(price * ratio) for symbol, price in prices.items()})


# --- reading ------------------------------------------------------------------------------------------------


async def test_open__no_morpho__broken(on: Stage) -> None:
    head = await on.head()
    for address in (on.devnet.addresses.pool, on.devnet.addresses.weth, Address(b"\x99" * 20)):
        with pytest.raises(Broken):
            await run(MorphoBlue(morpho=address).open(), Mined(hash=head.hash), on.engine._world)


async def test_advance__first_and_quiet_heads__everybody_found_then_one_round_a_head(on: Stage) -> None:
    book, there = morpho_of(on), on.devnet.addresses
    assert {position.borrower for position in book.rows} == set(there.morpho_borrowers)
    assert {market for market, _ in book.rows} == {
        f"{book.protocol.name}/0x{i.hex()}" for i in there.morpho_ids.values()
    }
    for _ in range(2):
        on.devnet.mine()
        assert await advanced(on, book, await on.head()) == 1
    on.devnet.market_block({"WETH": 2_900 * 10**8})
    assert await advanced(on, book, await on.head()) == 1, "an oracle that moves is no more to ask"


async def test_observe__both_protocols_at_a_quiet_head__one_batch(on: Stage) -> None:
    on.devnet.mine()
    head, world = await on.head(), Counted(on)
    await run(on.watcher.advance(head), Mined(hash=head.hash), world)
    assert world.rounds == 1


async def test_book__some_markets_allowed__no_other_is_watched(manual_devnet: Devnet) -> None:
    there = manual_devnet.addresses
    only = frozenset({there.morpho_ids["WBTC/USDC"]})
    book = Book(MorphoBlue(morpho=there.morpho, only=only), first_block=there.morpho_deployment_block)
    async with stage(manual_devnet, options_for(manual_devnet), books=(book,)) as on:
        await on.engine.observe(await on.head())
        assert {market for market, _ in book.rows} == {book.protocol.market_name(one) for one in only}
        assert {token.symbol for token in book.protocol.tokens(book.market)} == {"WBTC", "USDC"}


async def test_open__allowed_market_was_never_created__says_so(on: Stage) -> None:
    wrong = Hash32(b"\x07" * 32)
    protocol = MorphoBlue(morpho=on.devnet.addresses.morpho, only=frozenset({wrong}))
    with pytest.raises(Broken, match=f"never created here: 0x{wrong.hex()}"):
        await run(protocol.open(), Mined(hash=(await on.head()).hash), on.engine._world)


# --- following ----------------------------------------------------------------------------------------------


async def test_advance__whatever_people_do__as_if_opened_at_each_head(on: Stage) -> None:
    people, name = Acting(on.devnet), "WETH/USDC"
    params = people.params(name)
    acts: tuple[tuple[str, tuple[object, ...]], ...] = (
        ("supplyCollateral", (params, 10**19, ALICE, b"")),
        ("borrow", (params, 10_000 * 10**6, 0, ALICE, ALICE)),
        ("withdrawCollateral", (params, 10**18, ALICE, ALICE)),
        ("accrueInterest", (params,)),
    )
    people.wraps(10**20)
    on.devnet.mine()
    await on.engine.observe(await on.head())
    for act, arguments in acts:
        people.posts(act, *arguments)
        on.devnet.mine()
        await on.engine.observe(await on.head())
        await assert_as_if_opened_here(on)
    assert any(position.borrower == ALICE for position in morpho_of(on).rows)


async def test_advance__a_market_is_created_and_used__followed_from_then_on(on: Stage) -> None:
    people = Acting(on.devnet)
    lltv_wad = 77 * 10**16
    params = people.params("wstETH/WETH", lltv_wad=lltv_wad)
    before = len(morpho_of(on).market.by_name)
    people.posts("createMarket", params)
    on.devnet.mine()
    await on.engine.observe(await on.head())
    assert len(morpho_of(on).market.by_name) == before + 1
    await assert_as_if_opened_here(on)

    people.wraps(10**20)
    people.posts("supply", params, 10**20, 0, ALICE, b"")
    on.devnet.mine()
    borrower = on.devnet.addresses.morpho_borrowers[0]
    on.devnet.anvil.rpc("anvil_impersonateAccount", "0x" + borrower.hex())
    collateral = people.devnet.contract(
        people.there.tokens["wstETH"], compile_aave()["TestnetERC20"].interface
    )
    collateral.post("mint", borrower, 10**19, sender=people.admin)
    collateral.post("approve", people.morpho, 10**19, sender=borrower)
    people.posts("supplyCollateral", params, 10**19, borrower, b"", by=borrower)
    people.posts("borrow", params, 10**18, 0, borrower, borrower, by=borrower)
    on.devnet.mine()
    await on.engine.observe(await on.head())
    await assert_as_if_opened_here(on)
    theirs = [position for position in morpho_of(on).rows if position.borrower == borrower]
    assert len(theirs) == 2, "one borrower, two markets"


async def test_advance__heads_missed_then_a_branch_left__as_if_opened_there(on: Stage) -> None:
    people = Acting(on.devnet)
    params = people.params("WETH/USDC")
    people.wraps(10**20)
    on.devnet.mine()
    await on.engine.observe(await on.head())
    snapshot = on.devnet.anvil.rpc("evm_snapshot")
    people.posts("supplyCollateral", params, 10**19, ALICE, b"")
    people.posts("borrow", params, 10_000 * 10**6, 0, ALICE, ALICE)
    for _ in range(3):
        on.devnet.mine()
    await on.engine.observe(await on.head())
    await assert_as_if_opened_here(on)
    on.devnet.anvil.rpc("evm_revert", snapshot)
    for _ in range(4):
        on.devnet.mine()
    await on.engine.observe(await on.head())
    await assert_as_if_opened_here(on)
    assert all(position.borrower != ALICE for position in morpho_of(on).rows)


# --- what breaks --------------------------------------------------------------------------------------------


async def test_decide__an_oracle_reverts__its_market_declined_and_the_others_served(on: Stage) -> None:
    people, name = Acting(on.devnet), "WBTC/USDC"
    people.oracle(name).post("breakDown", sender=people.admin)
    fall(on, 0.75)
    silent = morpho_of(on).protocol.market_name(on.devnet.addresses.morpho_ids[name])
    by_market: dict[str, list[Considered]] = {}
    for one in await decided(on):
        by_market.setdefault(one.opportunity.market, []).append(one)
    assert {_reason(one) for one in by_market.pop(silent)} == {Reason.ZERO_PRICE}
    assert sum(isinstance(one.decision, Plan) for ones in by_market.values() for one in ones) >= 3
    people.oracle(name).post("follow", sender=people.admin)
    on.devnet.mine()
    served: set[str] = set()
    for _ in range(8):  # whoever is worth more goes first, and takes the room in the pools for that block
        considered = await on.engine.decide(await on.engine.observe(await on.head()))
        plans = [one.decision for one in considered if isinstance(one.decision, Plan)]
        assert {receipt["status"] for receipt in on.execute(plans)} <= {"0x1"}
        served.update(plan.draft.market for plan in plans)
        if silent in served:
            break
        on.devnet.market_block({})
    assert silent in served


async def test_decide__a_rate_model_reverts__declined_for_no_call_goes_through(on: Stage) -> None:
    fall(on, 0.85)
    assert any(isinstance(one.decision, Plan) for one in await decided(on))
    on.devnet.chain.set_code(on.devnet.addresses.morpho_irm, bytes.fromhex("5f5ffd"))
    on.devnet.mine()
    assert {_reason(one) for one in await decided(on)} == {Reason.INACTIVE}


async def test_decide__an_oracle_stands_still_while_the_pools_move__stale_once_it_is_old(
    manual_devnet: Devnet,
) -> None:
    options = options_for(manual_devnet, max_oracle_age_s=600)
    async with stage(manual_devnet, options, books=(morpho_book(manual_devnet),)) as on:
        people = Acting(manual_devnet)
        name = "WETH/USDC"
        held = int(2_500 * PRICE_SCALE * 10**6 // 10**18)
        people.oracle(name).post("hold", held, sender=people.admin)
        fall(on, 0.7)
        assert _reasons(await decided(on), on, name) == {Reason.DIVERGENCE}
        for _ in range(4):
            manual_devnet.mine(at_s=manual_devnet.now_s + 200)
            found = _reasons(await decided(on), on, name)
        assert found == {Reason.STALE_ORACLE}
        people.oracle(name).post("hold", held + 1, sender=people.admin)
        manual_devnet.mine()
        assert _reasons(await decided(on), on, name) == {Reason.DIVERGENCE}, "it was seen to change"


async def test_decide__more_bad_debt_than_can_be_won__declined_with_both_figures(on: Stage) -> None:
    on.devnet.market_block({"wstETH": int(on.devnet.price_base("wstETH") * 0.9)})
    name = "wstETH/WETH"
    market = morpho_of(on).protocol.market_name(on.devnet.addresses.morpho_ids[name])
    found = [one.decision for one in await decided(on) if one.opportunity.market == market]
    insolvent = [why for why in found if isinstance(why, Declined) and why.reason is Reason.BAD_DEBT]
    assert insolvent
    assert all("WETH would be left, where at most" in why.detail for why in insolvent)


async def test_decide__a_token_without_decimals__its_markets_left_alone(manual_devnet: Devnet) -> None:
    wbtc = manual_devnet.addresses.tokens["WBTC"]
    manual_devnet.chain.set_code(wbtc, bytes.fromhex("5f5ffd"))
    async with stage(manual_devnet, options_for(manual_devnet), books=(morpho_book(manual_devnet),)) as on:
        fall_without_wbtc = {
            symbol: manual_devnet.price_base(symbol) * 8 // 10 for symbol in ("WETH", "wstETH")
        }
        for symbol, price_base in (fall_without_wbtc | {"WBTC": 60_000 * 10**8}).items():
            manual_devnet.set_price(symbol, price_base)
        manual_devnet.mine()
        considered = await decided(on)
        name = "WBTC/USDC"
        assert _reasons(considered, on, name) == {Reason.UNVERIFIED}


def _reason(one: Considered) -> Reason | None:
    return one.decision.reason if isinstance(one.decision, Declined) else None


def _reasons(considered: Sequence[Considered], on: Stage, name: str) -> set[Reason | None]:
    id_: Hash32 = on.devnet.addresses.morpho_ids[name]
    return {_reason(one) for one in considered if one.opportunity.market.endswith(id_.hex())}
