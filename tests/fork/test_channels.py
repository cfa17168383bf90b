"""Landing through a real relay that signs for nothing and includes for real, or fails as relays do."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import pytest
from eth_account import Account

from keeper.builders import Builder
from keeper.channels.backrun import BackrunChannel
from keeper.channels.bundle import BundleChannel, replacement_uuid
from keeper.channels.private import PrivateChannel
from keeper.devnet.relay import Mood, Relay
from keeper.domain.address import Hash32
from keeper.domain.errors import Rejected
from keeper.domain.head import Head
from keeper.domain.pending import Leading
from keeper.domain.role import Role
from keeper.domain.secret import Secret
from keeper.domain.submission import Expired, Included, Outcome, Purpose, Superseded
from keeper.keys import SigningKey
from keeper.keys.relay_key import signed_headers
from keeper.node.anvil import Anvil
from keeper.node.endpoint import Endpoint
from keeper.ports import Channel
from tests.fork.landing_stage import BLOCK_S, CHAIN, Keeper, chain, running

RELAY_KEY = SigningKey(b"\x52" * 32)
ORACLE = Account.from_key(
    "0x59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d"
)  # Anvil's second


@pytest.fixture
def anvil() -> Iterator[Anvil]:
    with chain() as one:
        yield one


@dataclass
class Stage:
    """A keeper, and the relays that it knows."""

    keeper: Keeper
    relays: Sequence[Relay]

    async def build(self, *, by: int = 0) -> Head:
        """Have one of the relays build the next block."""
        head = await self.keeper.head()
        await self.relays[by].build(at_s=head.timestamp_s + BLOCK_S)
        return await self.keeper.head()

    async def ends(self, *, blocks: int = 4, by: int = 0) -> list[Outcome]:
        """Build blocks and settle at each, until something comes to its outcome."""
        for _ in range(blocks):
            await self.build(by=by)
            if outcomes := await self.keeper.outcomes():
                return outcomes
        raise AssertionError("nothing came to its outcome")


def builder(name: str) -> Builder:
    return Builder(name=name, takes_private_transactions=True, cancels=True, takes_backruns=True)


@asynccontextmanager
async def bundling(
    anvil: Anvil,
    path: Path,
    *,
    relays: Sequence[Relay] = (),
    count: int = 2,
    private: bool = False,
    key: SigningKey = RELAY_KEY,
    roles: frozenset[Role] = frozenset(),
    confirmations: int = 0,
) -> AsyncIterator[Stage]:
    """Yield a keeper that has recovered and sends bundles, or single private transactions, to relays."""
    started = [] if relays else [await Relay(anvil.rpc).__aenter__() for _ in range(count)]
    relays = relays or started
    builders = tuple(builder(f"relay {place}") for place in range(len(relays)))
    endpoints = {
        one.name: Endpoint(Secret(relay.url), timeout_s=0.5, headers=partial(signed_headers, key))
        for one, relay in zip(builders, relays, strict=True)
    }
    channel: Channel = (
        PrivateChannel(builders=builders, has_endpoints=bool(roles))
        if private
        else BundleChannel(builders=builders)
    )
    try:
        async with running(
            anvil,
            path,
            channels=(channel, BackrunChannel(builders=builders)),
            relays=endpoints,
            roles=roles,
            confirmations=confirmations,
        ) as keeper:
            await keeper.lander.recover(await keeper.head())
            yield Stage(keeper=keeper, relays=relays)
    finally:
        for endpoint in endpoints.values():
            await endpoint.close()
        for relay in started:
            await relay.__aexit__(None, None, None)


@pytest.fixture
async def stage(anvil: Anvil, tmp_path: Path) -> AsyncIterator[Stage]:
    async with bundling(anvil, tmp_path / "journal.sqlite") as one:
        yield one


# --- bundles ------------------------------------------------------------------------------------------------


async def test_submit__bundle__to_every_builder_and_included_by_one(stage: Stage) -> None:
    keeper = stage.keeper
    submission = await keeper.lander.submit(await keeper.plan(), await keeper.head())
    assert submission.is_private and submission.target_block == submission.head_number + 1
    for relay in stage.relays:
        (bundle,) = relay.bundles
        assert bundle.transactions == (submission.transaction.raw,)
        assert bundle.signer == "0x" + RELAY_KEY.address.hex()
        assert (bundle.block, bundle.uuid) == (submission.target_block, replacement_uuid(submission))
        assert bundle.max_timestamp_s == submission.deadline_s
    await stage.build(by=1)
    assert [type(one) for one in await keeper.outcomes()] == [Included]
    assert keeper.sends == 0, "no node has seen it before its block"


async def test_submit__several_bundles__each_behind_those_before_it_and_all_in_one_block(
    stage: Stage,
) -> None:
    keeper = stage.keeper
    head = await keeper.head()
    sent = [await keeper.lander.submit(await keeper.plan(borrower=n), head) for n in (1, 2, 3)]
    assert [one.nonce for one in sent] == [0, 1, 2]
    raw = [one.transaction.raw for one in sent]
    assert [one.transactions for one in stage.relays[0].bundles] == [tuple(raw[:n]) for n in (1, 2, 3)]
    await stage.build()
    assert [type(one) for one in await keeper.outcomes()] == [Included] * 3


async def test_submit__bundle_that_would_revert__not_included_and_costs_nothing(stage: Stage) -> None:
    keeper = stage.keeper
    await keeper.lander.submit(await keeper.plan(data=b""), await keeper.head())
    (outcome,) = await stage.ends()
    assert isinstance(outcome, Expired)
    assert outcome.realised_profit_wei == 0
    assert len(stage.relays[0].dropped) == 1


async def test_submit__not_in_its_block__who_built_that_is_told_and_the_nonce_is_offered_anew(
    stage: Stage,
) -> None:
    keeper = stage.keeper
    stage.relays[0].mood = Mood.IDLE
    first = await keeper.lander.submit(await keeper.plan(), await keeper.head())
    (outcome,) = await stage.ends(blocks=1)
    assert isinstance(outcome, Expired)
    assert outcome.why.startswith(f"not in block {first.target_block}, which 0x") and "built" in outcome.why
    assert keeper.lander.in_flight() == {}
    stage.relays[0].mood = Mood.HONEST
    again = await keeper.lander.submit(await keeper.plan(), await keeper.head())
    assert (again.nonce, again.fees) == (first.nonce, first.fees), "a bundle replaces nothing in a pool"
    assert [type(one) for one in await stage.ends()] == [Included]


async def test_submit__confirmations_asked_for__next_bundle_shares_the_nonce_and_one_lands(
    anvil: Anvil, tmp_path: Path
) -> None:
    async with bundling(anvil, tmp_path / "journal.sqlite", confirmations=2) as stage:
        keeper = stage.keeper
        stage.relays[0].mood = Mood.IDLE
        first = await keeper.lander.submit(await keeper.plan(), await keeper.head())
        await stage.build()
        assert await keeper.outcomes() == [], "another block may still take its block's place"
        assert keeper.lander.in_flight() == {}
        stage.relays[0].mood = Mood.HONEST
        again = await keeper.lander.submit(await keeper.plan(), await keeper.head())
        assert again.nonce == first.nonce
        for _ in range(4):
            await stage.build()
            await keeper.outcomes()
        ended = dict(keeper.journal.submissions())
        assert isinstance(ended[first], Superseded | Expired)
        assert isinstance(ended[again], Included)


@pytest.mark.parametrize("mood", [Mood.SILENT, Mood.BUSY, Mood.BROKEN, Mood.HANGING])
async def test_submit__one_relay_fails__the_other_lands_it(stage: Stage, mood: Mood) -> None:
    keeper = stage.keeper
    stage.relays[0].mood = mood
    await keeper.lander.submit(await keeper.plan(), await keeper.head())
    assert [type(one) for one in await stage.ends(by=1)] == [Included]


@pytest.mark.parametrize("mood", [Mood.SILENT, Mood.BUSY, Mood.BROKEN, Mood.HANGING])
async def test_submit__all_relays_fail__maybe_accepted_and_the_next_head_goes_on(
    stage: Stage, mood: Mood
) -> None:
    keeper = stage.keeper
    for relay in stage.relays:
        relay.mood = mood
    first = await keeper.lander.submit(await keeper.plan(), await keeper.head())
    assert len(keeper.lander.in_flight()) == 1, "a lost answer: it may have been taken"
    took_it = mood is Mood.SILENT
    stage.relays[0].mood = Mood.HONEST
    (outcome,) = await stage.ends(blocks=1)
    assert isinstance(outcome, Included if took_it else Expired)
    again = await keeper.lander.submit(await keeper.plan(borrower=2), await keeper.head())
    assert again.nonce == first.nonce + took_it
    assert [type(one) for one in await stage.ends()] == [Included]


async def test_submit__signature_of_another_body__refused_by_the_relay(anvil: Anvil, tmp_path: Path) -> None:
    class Forger(SigningKey):
        def sign(self, digest: Hash32) -> tuple[int, int, int]:
            return super().sign(Hash32(bytes(reversed(digest))))

    async with bundling(anvil, tmp_path / "journal.sqlite", key=Forger(b"\x52" * 32)) as stage:
        submission = await stage.keeper.lander.submit(await stage.keeper.plan(), await stage.keeper.head())
        assert stage.relays[0].bundles == [] and len(stage.relays[0].received) == 1
        assert await stage.ends(blocks=1)
        assert submission.nonce == 0


def oracles(nonce: int = 0) -> Leading:
    """Return a transaction of the oracle's, whole."""
    signed = ORACLE.sign_transaction(
        {
            "chainId": CHAIN,
            "nonce": nonce,
            "to": ORACLE.address,
            "value": 0,
            "gas": 30_000,
            "maxFeePerGas": 10**10,
            "maxPriorityFeePerGas": 10**9,
        }
    )
    return Leading(hash=Hash32(bytes(signed.hash)), raw=bytes(signed.raw_transaction))


async def test_submit__behind_a_pending_oracle_transaction__right_behind_it_or_not_at_all(
    stage: Stage,
) -> None:
    keeper, theirs = stage.keeper, oracles()
    submission = await keeper.lander.submit(await keeper.plan(), await keeper.head(), behind=theirs)
    head = await stage.build()
    block = keeper.anvil.rpc("eth_getBlockByNumber", hex(head.number), True)
    assert [one["hash"] for one in block["transactions"]][1] == "0x" + submission.hash.hex()
    assert block["transactions"][0]["from"] == ORACLE.address.lower()
    assert [type(one) for one in await keeper.outcomes()] == [Included]
    late = await keeper.lander.submit(await keeper.plan(), await keeper.head(), behind=theirs)
    assert late.nonce == 1
    assert [type(one) for one in await stage.ends()] == [Expired], (
        "what it stood behind is in a block already"
    )


async def test_submit__behind_a_hash__right_behind_it_in_its_block_and_nobody_else_was_asked(
    stage: Stage,
) -> None:
    keeper, (relay, other), theirs = stage.keeper, stage.relays, oracles()
    assert theirs.raw is not None
    relay.share(theirs.raw, {})
    behind = replace(theirs, raw=None)
    submission = await keeper.lander.submit(await keeper.plan(), await keeper.head(), behind=behind)
    assert submission.channels == ("backrun",)
    assert submission.target_block == submission.head_number + 1
    assert {method for one in stage.relays for method, _ in one.received} == {"mev_sendBundle"}
    assert not other.bundles, "it does not know the hash"
    head = await stage.build()
    block = keeper.anvil.rpc("eth_getBlockByNumber", hex(head.number), False)
    assert block["transactions"] == ["0x" + theirs.hash.hex(), "0x" + submission.hash.hex()]
    assert [type(one) for one in await keeper.outcomes()] == [Included]


async def test_submit__behind_a_hash_that_never_lands__neither_do_we_and_the_nonce_is_given_again(
    stage: Stage,
) -> None:
    keeper, (relay, _), theirs = stage.keeper, stage.relays, oracles(nonce=7)  # none before it
    assert theirs.raw is not None
    relay.share(theirs.raw, {})
    behind = replace(theirs, raw=None)
    first = await keeper.lander.submit(await keeper.plan(), await keeper.head(), behind=behind)
    assert [type(one) for one in await stage.ends(blocks=1)] == [Expired]
    assert relay.dropped and not relay.included
    relay.shared.clear()
    unknown = await keeper.lander.submit(await keeper.plan(), await keeper.head(), behind=behind)
    assert [type(one) for one in await stage.ends(blocks=1)] == [Expired], "and where nobody knows the hash"
    again = await keeper.lander.submit(await keeper.plan(borrower=2), await keeper.head())
    assert first.nonce == unknown.nonce == again.nonce
    assert [type(one) for one in await stage.ends(blocks=1)] == [Included]


async def test_withdraw__bundle__forgotten_by_the_builders(stage: Stage) -> None:
    keeper = stage.keeper
    submission = await keeper.lander.submit(await keeper.plan(), await keeper.head())
    assert await keeper.lander.withdraw(submission) == 2
    assert [relay.bundles for relay in stage.relays] == [[], []]
    assert [type(one) for one in await stage.ends()] == [Expired]


async def test_submit__anew_for_the_same_block__one_bundle_of_a_nonce_at_each_builder(
    anvil: Anvil, tmp_path: Path
) -> None:
    async with bundling(anvil, tmp_path / "journal.sqlite") as first:
        await first.keeper.lander.submit(await first.keeper.plan(), await first.keeper.head())
        async with bundling(anvil, tmp_path / "journal.sqlite", relays=first.relays) as second:
            cancelling = await second.keeper.lander.cancel(0, await second.keeper.head(), is_private=True)
            assert cancelling.purpose is Purpose.CANCELLATION
            (bundle,) = second.relays[0].bundles
            assert bundle.transactions == (cancelling.transaction.raw,)
            outcomes = await second.ends()
            outcomes += [] if len(outcomes) == 2 else await second.ends()
            assert {type(one) for one in outcomes} == {Included, Superseded}


async def test_recover__killed_with_a_bundle_out__one_outcome_and_nothing_sent_again(
    anvil: Anvil, tmp_path: Path
) -> None:
    for mined in (False, True):
        async with bundling(anvil, tmp_path / f"{mined}.sqlite") as first:
            keeper = first.keeper
            sending = asyncio.create_task(keeper.lander.submit(await keeper.plan(), await keeper.head()))
            while not first.relays[0].received:
                await asyncio.sleep(0)
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)
            if mined:
                await first.build()
            async with bundling(anvil, tmp_path / f"{mined}.sqlite", relays=first.relays) as second:
                if not mined:
                    assert [type(one) for one in await second.ends()] == [Included]
                (outcome,) = second.keeper.journalled()
                assert isinstance(outcome, Included)
                assert len(first.relays[0].received) == 1


async def test_settle__reorg_takes_the_bundles_block__sent_again_in_state_only(
    anvil: Anvil, tmp_path: Path
) -> None:
    async with bundling(anvil, tmp_path / "journal.sqlite", confirmations=2) as stage:
        keeper = stage.keeper
        submission = await keeper.lander.submit(await keeper.plan(), await keeper.head())
        await stage.build()
        assert await keeper.outcomes() == []
        anvil.rpc("anvil_reorg", 1, [])
        anvil.rpc("anvil_dropTransaction", "0x" + submission.hash.hex())
        assert await keeper.outcomes() == []
        again = await keeper.lander.submit(await keeper.plan(), await keeper.head())
        assert again.nonce == submission.nonce
        for _ in range(4):
            await stage.build()
            await keeper.outcomes()
        ended = dict(keeper.journal.submissions())
        assert isinstance(ended[again], Included)
        assert isinstance(ended[submission], Expired | Superseded)


# --- private transactions -----------------------------------------------------------------------------------


async def test_submit__private__no_public_node_sees_it_before_its_block(anvil: Anvil, tmp_path: Path) -> None:
    async with bundling(anvil, tmp_path / "journal.sqlite", private=True) as stage:
        keeper = stage.keeper
        submission = await keeper.lander.submit(await keeper.plan(), await keeper.head())
        await keeper.mine()  # by somebody else: it is kept for later blocks
        assert await keeper.outcomes() == []
        assert len(keeper.lander.in_flight()) == 1
        assert keeper.anvil.rpc("txpool_content")["pending"] == {}
        assert [type(one) for one in await stage.ends()] == [Included]
        assert keeper.sends == 0
        assert submission.is_private


async def test_submit__private_endpoint__sent_there_alone(anvil: Anvil, tmp_path: Path) -> None:
    roles = frozenset({Role.PRIVATE})
    async with bundling(anvil, tmp_path / "one.sqlite", private=True, roles=roles) as stage:
        await stage.keeper.lander.submit(await stage.keeper.plan(), await stage.keeper.head())
        assert stage.keeper.sends == 1


async def test_submit__private_and_nobody_to_take_it__rejected(anvil: Anvil, tmp_path: Path) -> None:
    async with running(
        anvil,
        tmp_path / "journal.sqlite",
        channels=(PrivateChannel(builders=(), has_endpoints=False),),
    ) as keeper:
        await keeper.lander.recover(await keeper.head())
        with pytest.raises(Rejected, match="no channel of KEEPER_CHANNELS takes it"):
            await keeper.lander.submit(await keeper.plan(), await keeper.head())
        assert keeper.journalled() == []


async def test_cancel__of_a_private_one_with_public_channels__refused_and_nothing_shown(
    anvil: Anvil, tmp_path: Path
) -> None:
    async with running(anvil, tmp_path / "journal.sqlite") as keeper:
        await keeper.lander.recover(await keeper.head())
        with pytest.raises(
            Rejected, match="given to a private transaction, and KEEPER_CHANNELS names public"
        ):
            await keeper.lander.cancel(0, await keeper.head(), is_private=True)
        assert keeper.sends == 0


async def test_settle__time_steps_back_between_heads__nothing_expires_and_it_lands(stage: Stage) -> None:
    keeper = stage.keeper
    submission = await keeper.lander.submit(await keeper.plan(), await keeper.head())
    head = await keeper.head()
    for seconds in (-1_000, 0, -500):
        assert await keeper.lander.settle(replace(head, timestamp_s=head.timestamp_s + seconds)) == ()
    assert list(keeper.lander.in_flight()) == [(submission.market, submission.borrower)]
    assert [type(one) for one in await stage.ends()] == [Included]
