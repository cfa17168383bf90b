"""Flash loans of the real pool: what there is of each token, and what it takes for it."""

from __future__ import annotations

from random import Random

import pytest

from keeper.abi import interface, load
from keeper.devnet.devnet import Devnet
from keeper.domain.address import Address
from keeper.domain.funding import Lendable
from keeper.flash.aave_v3 import AaveV3Flash
from keeper.query import run
from tests.fork.aave_v3_stage import AT, LIQUIDATOR, RICH, Ran, Scene, Stage

_RECEIVER = Address(b"\x5e" * 20)
_ERC20 = load("erc20")
_FLASH_LOAN = interface(
    [
        {
            "type": "event",
            "name": "FlashLoan",
            "inputs": [
                {"name": "target", "type": "address", "indexed": True},
                {"name": "initiator", "type": "address", "indexed": False},
                {"name": "asset", "type": "address", "indexed": True},
                {"name": "amount", "type": "uint256", "indexed": False},
                {"name": "interestRateMode", "type": "uint8", "indexed": False},
                {"name": "premium", "type": "uint256", "indexed": False},
                {"name": "referralCode", "type": "uint16", "indexed": True},
            ],
        }
    ]
).event("FlashLoan")


@pytest.fixture
def scene(devnet: Devnet) -> Scene:
    """Return a scene with a receiver that has plenty, has approved the pool, and says true to everything."""
    stage = Stage(devnet)
    scene = Scene(stage=stage, at_s=devnet.now_s + 1)
    scene.answer_always(_RECEIVER, 1)
    for token in stage.addresses.tokens.values():
        for function, whose in (
            ("balanceOf", (_RECEIVER,)),
            ("allowance", (_RECEIVER, stage.addresses.pool)),
        ):
            scene.set(stage.place(token, _ERC20.function(function), *whose), RICH)
    return scene


async def lent(scene: Scene) -> tuple[AaveV3Flash, Lendable]:
    source = AaveV3Flash(pool=scene.stage.addresses.pool)
    unlisted = Address(b"\x0e" * 20)
    tokens = [*scene.stage.addresses.tokens.values(), unlisted]
    return source, await run(source.load(tokens), AT, scene)


def borrow(scene: Scene, source: AaveV3Flash, token: Address, amount_raw: int) -> Ran:
    call = source.call(token, amount_raw=amount_raw, fee_raw=0, executor=_RECEIVER)
    (ran,) = scene.run([(LIQUIDATOR, call.target, call.data)])
    return ran


async def test_fee_raw__random_loans__is_the_premium_taken(scene: Scene) -> None:
    source, lendable = await lent(scene)
    rng = Random(5)
    for _ in range(100):
        token = rng.choice(list(scene.stage.addresses.tokens.values()))
        amount_raw = int(lendable.available_raw[token] ** rng.random())
        ran = borrow(scene, source, token, amount_raw)
        assert not ran.reverted
        (event,) = [_FLASH_LOAN.decode(*log) for log in ran.logs if log[0][0] == _FLASH_LOAN.topic]
        assert event["amount"] == amount_raw
        assert event["premium"] == source.fee_raw(lendable, amount_raw)


async def test_load__every_reserve__lends_what_is_available_and_no_unit_more(scene: Scene) -> None:
    source, lendable = await lent(scene)
    assert lendable.premium_bps == 5
    assert set(lendable.available_raw) == set(scene.stage.addresses.tokens.values())
    for token, available_raw in lendable.available_raw.items():
        assert not borrow(scene, source, token, available_raw).reverted
        assert borrow(scene, source, token, available_raw + 1).reverted


@pytest.mark.parametrize(
    ("at_bit", "value"), [(56, 0), (60, 1), (63, 0)], ids=["inactive", "paused", "closed"]
)
async def test_load__reserve_that_does_not_lend__is_left_out(scene: Scene, at_bit: int, value: int) -> None:
    scene.configure("USDC", value, bits=1, at_bit=at_bit)
    source, lendable = await lent(scene)
    usdc = scene.stage.addresses.tokens["USDC"]
    assert usdc not in lendable.available_raw
    assert borrow(scene, source, usdc, 1).reverted
