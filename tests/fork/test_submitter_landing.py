"""From a plan to its one outcome on a real chain, with a network between that loses what it likes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from keeper.devnet.faults import DropAnswer, DropRequest, Forget, Say
from keeper.domain.errors import Invariant, Rejected, Unavailable
from keeper.domain.events import Reopened
from keeper.domain.plan import Transaction
from keeper.domain.submission import (
    Expired,
    Included,
    Outcome,
    Purpose,
    Reverted,
    Superseded,
)
from keeper.node.anvil import Anvil
from tests.fork.landing_stage import POOL, Keeper, chain, running


@pytest.fixture
def anvil() -> Iterator[Anvil]:
    with chain() as running:
        yield running


@pytest.fixture
async def keeper(anvil: Anvil, tmp_path: Path) -> AsyncIterator[Keeper]:
    """Yield a keeper that has recovered from nothing."""
    async with running(anvil, tmp_path / "journal.sqlite") as one:
        assert await one.lander.recover(await one.head()) == ()
        yield one


# --- what becomes of it -------------------------------------------------------------------------------------


async def test_settle__included__profit_as_the_executor_said_less_the_gas(keeper: Keeper) -> None:
    submission = await keeper.lander.submit(await keeper.plan(), await keeper.head())
    assert keeper.lander.in_flight() == {("aave-v3:test", submission.borrower): frozenset({POOL})}
    await keeper.mine()
    (outcome,) = await keeper.outcomes()
    raw = keeper.anvil.rpc("eth_getTransactionReceipt", "0x" + submission.hash.hex())
    gas_wei = int(raw["gasUsed"], 16) * int(raw["effectiveGasPrice"], 16)
    assert isinstance(outcome, Included)
    assert outcome.block_number == int(raw["blockNumber"], 16)
    assert (outcome.vault_profit_wei, outcome.tip_wei, outcome.gas_wei) == (9 * 10**15, 10**14, gas_wei)
    assert outcome.realised_profit_wei == 9 * 10**15 - gas_wei
    assert submission.predicted_profit_wei == 10**16 - 10**14
    assert keeper.lander.in_flight() == {}
    assert keeper.journalled() == [outcome]


async def test_settle__reverted__gas_is_what_it_cost(keeper: Keeper) -> None:
    await keeper.lander.submit(await keeper.plan(data=b""), await keeper.head())
    await keeper.mine()
    (outcome,) = await keeper.outcomes()
    assert isinstance(outcome, Reverted)
    assert outcome.realised_profit_wei == -outcome.gas_wei < 0
    assert keeper.journalled() == [outcome]


async def test_settle__still_waiting__nothing_yet_and_one_request(keeper: Keeper) -> None:
    for borrower in range(1, 4):
        await keeper.lander.submit(await keeper.plan(borrower=borrower), await keeper.head())
    keeper.proxy.seen.clear()
    assert await keeper.outcomes() == []
    assert [len(methods) for methods in keeper.proxy.seen] == [7]
    assert len(keeper.lander.in_flight()) == 3


async def test_settle__nothing_in_flight__asks_nothing(keeper: Keeper) -> None:
    keeper.proxy.seen.clear()
    assert await keeper.outcomes() == []
    assert keeper.proxy.seen == []


async def test_submit__several__nonces_in_order_all_included(keeper: Keeper) -> None:
    submissions = [
        await keeper.lander.submit(await keeper.plan(borrower=n), await keeper.head()) for n in range(1, 6)
    ]
    assert [one.nonce for one in submissions] == [0, 1, 2, 3, 4]
    await keeper.mine()
    assert [type(one) for one in await keeper.outcomes()] == [Included] * 5


async def test_settle__key_used_by_somebody_else__superseded_at_the_second_head(keeper: Keeper) -> None:
    submission = await keeper.lander.submit(await keeper.plan(), await keeper.head())
    operator = "0x" + submission.operator.hex()
    keeper.anvil.rpc("anvil_dropTransaction", "0x" + submission.hash.hex())
    keeper.anvil.rpc(
        "eth_sendTransaction", {"from": operator, "to": operator, "nonce": "0x0", "gas": "0x5208"}
    )
    await keeper.mine()
    assert await keeper.outcomes() == []
    await keeper.mine()
    (outcome,) = await keeper.outcomes()
    assert isinstance(outcome, Superseded)
    assert (await keeper.lander.submit(await keeper.plan(), await keeper.head())).nonce == 1


async def test_settle__confirmations_asked_for__waits_for_the_blocks(anvil: Anvil, tmp_path: Path) -> None:
    async with running(anvil, tmp_path / "journal.sqlite", confirmations=2) as keeper:
        await keeper.lander.recover(await keeper.head())
        await keeper.lander.submit(await keeper.plan(), await keeper.head())
        await keeper.mine()
        assert await keeper.outcomes() == []
        assert keeper.lander.in_flight() == {}, "its effect is in the state that is read"
        await keeper.mine()
        assert await keeper.outcomes() == []
        await keeper.mine()
        assert [type(one) for one in await keeper.outcomes()] == [Included]


async def test_settle__reorg_drops_its_block__not_counted_and_expires(anvil: Anvil, tmp_path: Path) -> None:
    async with running(anvil, tmp_path / "journal.sqlite", confirmations=3) as keeper:
        await keeper.lander.recover(await keeper.head())
        submission = await keeper.lander.submit(await keeper.plan(), await keeper.head())
        await keeper.mine()
        assert await keeper.outcomes() == []
        anvil.rpc("anvil_reorg", 1, [])
        anvil.rpc("anvil_dropTransaction", "0x" + submission.hash.hex())
        for _ in range(8):
            await keeper.mine()
            if outcomes := await keeper.outcomes():
                break
        assert [type(one) for one in outcomes] == [Expired]


async def test_settle__reorg_deeper_than_was_waited_for__sent_again_and_told_anew(
    anvil: Anvil, tmp_path: Path
) -> None:
    async with running(anvil, tmp_path / "journal.sqlite", confirmations=1) as keeper:
        await keeper.lander.recover(await keeper.head())
        one = await keeper.lander.submit(await keeper.plan(), await keeper.head())
        await keeper.mine(2)
        (first,) = await keeper.outcomes()
        assert isinstance(first, Included)
        await reorg(keeper, 2)
        settled = await keeper.lander.settle(await keeper.head())
        assert settled == (Reopened(submission=one, outcome=first),)
        assert keeper.journalled() == [None] and keeper.lander.holders(0) == (one,)
        anvil.rpc("eth_sendRawTransaction", "0x" + one.transaction.raw.hex())
        await keeper.mine(2)
        (second,) = await keeper.outcomes()
        assert isinstance(second, Included) and second.block_number == first.block_number + 2
        assert keeper.journalled() == [second]


async def test_recover__reorg_while_it_was_dead__found_and_the_nonce_is_used_again(
    anvil: Anvil, tmp_path: Path
) -> None:
    async with running(anvil, tmp_path / "journal.sqlite") as keeper:
        await keeper.lander.recover(await keeper.head())
        await keeper.lander.submit(await keeper.plan(), await keeper.head())
        await keeper.mine()
        assert [type(one) for one in await keeper.outcomes()] == [Included]
    await reorg(keeper, 1)
    async with running(anvil, tmp_path / "journal.sqlite") as keeper:
        assert [one.outcome for one in await keeper.lander.recover(await keeper.head())] == [None]
        assert (await keeper.lander.submit(await keeper.plan(borrower=2), await keeper.head())).nonce == 0
        await keeper.mine()
        assert [type(one) for one in await keeper.outcomes()] == [Included]
        await keeper.mine()
        assert [type(one) for one in await keeper.outcomes()] == [Superseded]
        assert [type(one) for one in keeper.journalled()] == [Superseded, Included]


@pytest.mark.parametrize("dead", [False, True])
async def test_settle__included_by_who_kept_it_after_it_expired__found_and_journalled(
    dead: bool, anvil: Anvil, tmp_path: Path
) -> None:
    async with running(anvil, tmp_path / "journal.sqlite") as keeper:
        await keeper.lander.recover(await keeper.head())
        one = await keeper.lander.submit(await keeper.plan(data=b""), await keeper.head())
        anvil.rpc("anvil_dropTransaction", "0x" + one.hash.hex())
        await keeper.mine(5)
        assert [type(outcome) for outcome in await keeper.outcomes()] == [Expired]
        if not dead:
            anvil.rpc("eth_sendRawTransaction", "0x" + one.transaction.raw.hex())
            await keeper.mine()
            (found,) = await keeper.outcomes()
    if dead:
        anvil.rpc("eth_sendRawTransaction", "0x" + one.transaction.raw.hex())
        await keeper.mine(100)
        async with running(anvil, tmp_path / "journal.sqlite") as keeper:
            (recovered,) = await keeper.lander.recover(await keeper.head())
            assert recovered.outcome is not None
            found = recovered.outcome
            assert (await keeper.lander.submit(await keeper.plan(), await keeper.head())).nonce == 1
    assert isinstance(found, Reverted) and found.gas_wei > 0


async def test_settle__receipt_shown_late_and_long_after_the_nonce__found_and_journalled(
    keeper: Keeper,
) -> None:
    await keeper.lander.submit(await keeper.plan(), await keeper.head())
    keeper.proxy.add("eth_getTransactionReceipt", Forget())
    await keeper.mine()
    assert await keeper.outcomes() == []
    await keeper.mine()
    assert [type(one) for one in await keeper.outcomes()] == [Superseded], "as far as anybody can see"
    await keeper.mine(3)
    assert await keeper.outcomes() == []
    keeper.proxy.behave()
    await keeper.mine()
    (found,) = await keeper.outcomes()
    assert isinstance(found, Included) and keeper.journalled() == [found]
    asked = len(keeper.proxy.seen)
    await keeper.mine()
    assert await keeper.outcomes() == [] and len(keeper.proxy.seen) == asked, "nothing is left to look for"


async def reorg(keeper: Keeper, blocks: int) -> None:
    """Put empty blocks in the place of the newest; what was in them waits nowhere."""
    rpc, newest = keeper.anvil.rpc, (await keeper.head()).number
    gone = [rpc("eth_getBlockByNumber", hex(newest - back), False) for back in range(blocks)]
    rpc("anvil_reorg", blocks, [])
    for one in [one for block in gone for one in block["transactions"]]:
        rpc("anvil_dropTransaction", one)


# --- what the network does ----------------------------------------------------------------------------------


async def test_submit__answer_lost__held_until_the_chain_tells(keeper: Keeper) -> None:
    keeper.proxy.add("eth_sendRawTransaction", DropAnswer())
    submission = await keeper.lander.submit(await keeper.plan(), await keeper.head())
    with pytest.raises(Rejected, match=r"nonce 0 is held by .* in doubt until the chain tells"):
        await keeper.lander.submit(await keeper.plan(borrower=2), await keeper.head())
    assert await keeper.outcomes() == []
    keeper.proxy.behave()
    other = await keeper.lander.submit(await keeper.plan(borrower=2), await keeper.head())
    assert (submission.nonce, other.nonce) == (0, 1)
    await keeper.mine()
    assert [type(one) for one in await keeper.outcomes()] == [Included, Included]
    assert keeper.sends == 2


FAULTS = [DropRequest(), Say(503), Say(429), Say(200, b"{")]


@pytest.mark.parametrize("fault", FAULTS)
async def test_submit__request_lost__expires_after_its_deadline_and_frees_the_nonce(
    keeper: Keeper, fault: Any
) -> None:
    keeper.proxy.add("eth_sendRawTransaction", fault)
    lost = await keeper.lander.submit(await keeper.plan(), await keeper.head())
    keeper.proxy.behave()
    assert len(keeper.lander.in_flight()) == 1
    while (await keeper.mine()).timestamp_s <= lost.deadline_s:
        assert await keeper.outcomes() == []
        assert keeper.lander.in_flight() == {}, "it was looked for: whoever is planned anew takes its place"
    assert await keeper.outcomes() == [
        Expired(head_number=(await keeper.head()).number, why="its deadline passed")
    ]
    assert keeper.sends == 0, "it was not sent again"
    again = await keeper.lander.submit(await keeper.plan(), await keeper.head())
    assert (again.nonce, again.fees) == (lost.nonce, lost.fees)
    await keeper.mine()
    assert [type(one) for one in await keeper.outcomes()] == [Included]


@pytest.mark.parametrize("arrives", [False, True], ids=["lost for good", "only late"])
async def test_submit__planned_anew_after_a_loss__same_nonce_and_one_of_them_lands(
    keeper: Keeper, arrives: bool
) -> None:
    keeper.proxy.add("eth_sendRawTransaction", DropRequest())
    lost = await keeper.lander.submit(await keeper.plan(), await keeper.head())
    keeper.proxy.behave()
    await keeper.mine()
    assert await keeper.outcomes() == []
    again = await keeper.lander.submit(await keeper.plan(), await keeper.head())
    assert again.nonce == lost.nonce
    assert again.fees.max_fee_per_gas_wei == lost.fees.max_fee_per_gas_wei * 11 // 10
    assert again.fees.max_priority_fee_per_gas_wei == lost.fees.max_priority_fee_per_gas_wei * 11 // 10
    if arrives:
        keeper.anvil.rpc("anvil_dropTransaction", "0x" + again.hash.hex())
        keeper.anvil.rpc("eth_sendRawTransaction", "0x" + lost.transaction.raw.hex())
    outcomes: list[Outcome] = []
    for _ in range(3):
        await keeper.mine()
        outcomes += await keeper.outcomes()
    first, second = keeper.journalled()
    assert {type(first), type(second)} == {Included, Superseded} == {type(one) for one in outcomes}
    assert isinstance(first if arrives else second, Included)


async def test_submit__stuck__replaced_at_a_tenth_more_and_the_pool_has_the_new_one(keeper: Keeper) -> None:
    stuck = await keeper.lander.submit(await keeper.plan(), await keeper.head())
    for _ in range(3):
        assert len(keeper.lander.in_flight()) == 1
        await keeper.mine_without(stuck)
        assert await keeper.outcomes() == []
    assert keeper.lander.in_flight() == {}
    again = await keeper.lander.submit(await keeper.plan(), await keeper.head())
    assert again.nonce == stuck.nonce
    pool = keeper.anvil.rpc("txpool_content")["pending"]
    assert [one["hash"] for by_nonce in pool.values() for one in by_nonce.values()] == [
        "0x" + again.hash.hex()
    ]
    await keeper.mine()
    assert [type(one) for one in await keeper.outcomes()] == [Included]
    await keeper.mine()
    assert [type(one) for one in await keeper.outcomes()] == [Superseded]


async def test_submit__to_replace_costs_more_than_it_earns__rejected_and_nothing_sent(keeper: Keeper) -> None:
    dear = {"max_priority_fee_per_gas_wei": 8 * 10**9, "max_fee_per_gas_wei": 9 * 10**9}
    keeper.proxy.add("eth_sendRawTransaction", DropRequest())
    await keeper.lander.submit(await keeper.plan(**dear), await keeper.head())
    keeper.proxy.behave()
    await keeper.mine()
    await keeper.outcomes()
    poor = await keeper.plan()
    poor = replace(poor, waterfall=replace(poor.waterfall, bonus_wei=poor.waterfall.gas_wei + 10**14))
    with pytest.raises(Rejected, match=r"to replace what holds nonce 0 takes .* gwei, more than it earns"):
        await keeper.lander.submit(poor, await keeper.head())
    assert keeper.sends == 0
    assert len(keeper.journalled()) == 1


async def test_cancel_useless__past_its_deadline_in_the_pool__cancelled_and_the_nonce_is_free(
    keeper: Keeper,
) -> None:
    stuck = await keeper.lander.submit(await keeper.plan(), await keeper.head())
    while (await keeper.mine_without(stuck)).timestamp_s <= stuck.deadline_s:
        await keeper.outcomes()
        assert await keeper.lander.cancel_useless(await keeper.head()) == ()
    await keeper.outcomes()
    (cancelling,) = await keeper.lander.cancel_useless(await keeper.head())
    assert (cancelling.nonce, cancelling.purpose) == (stuck.nonce, Purpose.CANCELLATION)
    assert cancelling.fees.gas_limit == 21_000
    assert await keeper.lander.cancel_useless(await keeper.head()) == ()
    assert (await keeper.lander.submit(await keeper.plan(), await keeper.head())).nonce == stuck.nonce + 1
    for _ in range(2):
        await keeper.mine()
        await keeper.outcomes()
    ended = dict(keeper.journal.submissions())
    assert isinstance(ended[stuck], Superseded)
    spent = ended[cancelling]
    assert isinstance(spent, Included)
    assert spent.realised_profit_wei == -spent.gas_wei < 0
    assert [type(one) for one in keeper.journalled()] == [Superseded, Included, Included]


async def test_submit__refused__rejected_with_the_nodes_words_and_journalled(keeper: Keeper) -> None:
    with pytest.raises(Rejected, match=r"underpriced: max fee per gas less than block base fee.* \[public\]"):
        await keeper.lander.submit(
            await keeper.plan(max_fee_per_gas_wei=7, max_priority_fee_per_gas_wei=1), await keeper.head()
        )
    (outcome,) = keeper.journalled()
    assert isinstance(outcome, Expired)
    assert keeper.lander.in_flight() == {}
    assert (await keeper.lander.submit(await keeper.plan(), await keeper.head())).nonce == 0


async def test_submit__key_without_gas__rejected_and_says_so(anvil: Anvil, tmp_path: Path) -> None:
    async with running(anvil, tmp_path / "journal.sqlite", key=b"\x07" * 32) as keeper:
        await keeper.lander.recover(await keeper.head())
        with pytest.raises(Rejected, match="insufficient funds"):
            await keeper.lander.submit(await keeper.plan(), await keeper.head())


async def test_submit__nobody_listens__rejected_for_it_was_certainly_not_sent(keeper: Keeper) -> None:
    await keeper.proxy.stop()
    with pytest.raises(Rejected, match="unreachable"):
        await keeper.lander.submit(await keeper.plan(), await keeper.head())
    assert keeper.lander.in_flight() == {}


async def test_settle__endpoint_fails__unavailable_and_nothing_lost(keeper: Keeper) -> None:
    await keeper.lander.submit(await keeper.plan(), await keeper.head())
    await keeper.mine()
    keeper.proxy.add("eth_getTransactionReceipt", Say(500))
    with pytest.raises(Unavailable):
        await keeper.outcomes()
    keeper.proxy.behave()
    assert [type(one) for one in await keeper.outcomes()] == [Included]


# --- what the disk does -------------------------------------------------------------------------------------


def fill_disk(keeper: Keeper) -> None:
    (pages,) = keeper.journal._connection.execute("PRAGMA page_count").fetchone()
    keeper.journal._connection.execute(f"PRAGMA max_page_count = {pages}")


def empty_disk(keeper: Keeper) -> None:
    keeper.journal._connection.execute("PRAGMA max_page_count = 1000000")


async def test_submit__intent_can_not_be_written__nothing_is_sent(keeper: Keeper) -> None:
    fill_disk(keeper)
    large = await keeper.plan(data=bytes(50_000), gas_limit=3_000_000)
    with pytest.raises(Unavailable, match="can't be written"):
        await keeper.lander.submit(large, await keeper.head())
    assert keeper.sends == 0
    assert keeper.lander.in_flight() == {}
    empty_disk(keeper)
    assert (await keeper.lander.submit(large, await keeper.head())).nonce == 0


async def test_settle__outcome_can_not_be_written__told_once_it_is(keeper: Keeper) -> None:
    submission = await keeper.lander.submit(await keeper.plan(), await keeper.head())
    await keeper.mine()
    keeper.journal._connection.execute("PRAGMA query_only = ON")
    with pytest.raises(Unavailable, match="can't be written"):
        await keeper.outcomes()
    keeper.journal._connection.execute("PRAGMA query_only = OFF")
    (concluded,) = await keeper.lander.settle(await keeper.head())
    assert concluded.submission == submission
    assert keeper.journalled() == [concluded.outcome]


# --- restarts -----------------------------------------------------------------------------------------------


async def test_submit__before_recovery__is_our_bug(anvil: Anvil, tmp_path: Path) -> None:
    async with running(anvil, tmp_path / "journal.sqlite") as keeper:
        with pytest.raises(Invariant, match="before recovery"):
            await keeper.lander.submit(await keeper.plan(), await keeper.head())
        assert keeper.sends == 0


@pytest.mark.parametrize("after", [False, True], ids=["request held", "answer held"])
@pytest.mark.parametrize("mined", [False, True], ids=["waiting", "mined"])
async def test_recover__stopped_in_mid_send__one_send_and_one_outcome(
    anvil: Anvil, tmp_path: Path, after: bool, mined: bool
) -> None:
    async with running(anvil, tmp_path / "journal.sqlite") as first:
        await first.lander.recover(await first.head())
        hold = first.proxy.hold("eth_sendRawTransaction", after=after)
        asked, head = await first.plan(), await first.head()
        sending = asyncio.create_task(first.lander.submit(asked, head))
        await hold.reached.wait()
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)
        if mined:
            await first.mine()
        async with running(anvil, tmp_path / "journal.sqlite", proxy=first.proxy) as second:
            (recovered,) = await second.lander.recover(await second.head())
            arrived = after
            assert isinstance(recovered.outcome, Included if arrived and mined else type(None))
            outcomes = [recovered.outcome] if recovered.outcome else []
            while not outcomes:
                await second.mine()
                outcomes = list(await second.outcomes())
            assert isinstance(outcomes[0], Included if arrived else Expired)
            assert second.journalled() == outcomes
            assert second.proxy.seen.count(("eth_sendRawTransaction",)) == 1
            again = await second.lander.submit(await second.plan(), await second.head())
            assert again.nonce == int(arrived)


async def test_recover__endpoint_fails_at_first__can_be_asked_again(anvil: Anvil, tmp_path: Path) -> None:
    async with running(anvil, tmp_path / "journal.sqlite") as first:
        await first.lander.recover(await first.head())
        submission = await first.lander.submit(await first.plan(), await first.head())
    async with running(anvil, tmp_path / "journal.sqlite") as second:
        second.proxy.add("eth_getTransactionReceipt", Say(500))
        with pytest.raises(Unavailable):
            await second.lander.recover(await second.head())
        second.proxy.behave()
        (recovered,) = await second.lander.recover(await second.head())
        assert recovered.submission == submission
        assert len(second.lander.in_flight()) == 1


async def test_recover__journal_of_another_key__is_left_to_that_key(anvil: Anvil, tmp_path: Path) -> None:
    async with running(anvil, tmp_path / "journal.sqlite") as first:
        await first.lander.recover(await first.head())
        await first.lander.submit(await first.plan(), await first.head())
    async with running(anvil, tmp_path / "journal.sqlite", key=b"\x07" * 32) as second:
        assert await second.lander.recover(await second.head()) == ()


async def test_submit__plan_for_another_target__refused_and_its_nonce_given_back(keeper: Keeper) -> None:
    good = await keeper.plan()
    bad = replace(good, draft=replace(good.draft, transaction=Transaction(to=POOL, data=b"")))
    with pytest.raises(Invariant, match="refused to sign"):
        await keeper.lander.submit(bad, await keeper.head())
    assert (await keeper.lander.submit(good, await keeper.head())).nonce == 0
    assert len(keeper.journalled()) == 1
