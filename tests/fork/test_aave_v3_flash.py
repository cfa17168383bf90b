"""Flash loans of the real pool: what there is of each token, and what it takes for it."""

from __future__ import annotations

from random import Random

import pytest

from keeper.devnet.devnet import Devnet
from keeper.domain.address import Address
from keeper.domain.funding import Offer
from keeper.flash.aave_v3 import AaveV3Flash
from keeper.query import run
from tests.fork.aave_v3_loans import borrow, premium_raw, with_receiver
from tests.fork.aave_v3_stage import AT, Scene, Stage


@pytest.fixture
def scene(devnet: Devnet) -> Scene:
    """Return a scene with a receiver that has plenty, has approved the pool, and says true to everything."""
    return with_receiver(Scene(stage=Stage(devnet), at_s=devnet.now_s + 1))


async def lent(scene: Scene) -> tuple[AaveV3Flash, dict[Address, Offer]]:
    source = AaveV3Flash(pool=scene.stage.addresses.pool)
    unlisted = Address(b"\x0e" * 20)
    tokens = [*scene.stage.addresses.tokens.values(), unlisted]
    return source, {offer.token: offer for offer in await run(source.load(tokens), AT, scene)}


async def test_fee_raw__random_loans__is_the_premium_taken(scene: Scene) -> None:
    source, offers = await lent(scene)
    rng = Random(5)
    for _ in range(100):
        token = rng.choice(list(scene.stage.addresses.tokens.values()))
        amount_raw = int(offers[token].available_raw ** rng.random())
        ran = borrow(scene, source, offers[token], amount_raw)
        assert not ran.reverted
        assert premium_raw(ran, amount_raw) == offers[token].fee_raw(amount_raw)


async def test_load__every_reserve__lends_what_is_available_and_no_unit_more(scene: Scene) -> None:
    source, offers = await lent(scene)
    assert set(offers) == set(scene.stage.addresses.tokens.values())
    for offer in offers.values():
        assert offer.premium_wad == 5 * 10**14
        assert not borrow(scene, source, offer, offer.available_raw).reverted
        assert borrow(scene, source, offer, offer.available_raw + 1).reverted


@pytest.mark.parametrize(
    ("at_bit", "value"), [(56, 0), (60, 1), (63, 0)], ids=["inactive", "paused", "closed"]
)
async def test_load__reserve_that_does_not_lend__is_left_out(scene: Scene, at_bit: int, value: int) -> None:
    scene.configure("USDC", value, bits=1, at_bit=at_bit)
    source, offers = await lent(scene)
    usdc = scene.stage.addresses.tokens["USDC"]
    assert usdc not in offers
    assert borrow(scene, source, Offer(token=usdc, available_raw=0), 1).reverted
