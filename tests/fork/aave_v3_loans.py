"""A receiver of flash loans on a stage, and what it is charged."""

from __future__ import annotations

from keeper.abi import interface, load
from keeper.domain.address import Address
from keeper.domain.funding import Offer
from keeper.flash.aave_v3 import AaveV3Flash
from tests.fork.aave_v3_stage import LIQUIDATOR, RICH, Ran, Scene

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


def with_receiver(scene: Scene) -> Scene:
    """Return the scene with a receiver that has plenty, approved the pool, and says true to everything."""
    stage = scene.stage
    scene.answer_always(_RECEIVER, 1)
    for token in stage.addresses.tokens.values():
        for function, whose in (
            ("balanceOf", (_RECEIVER,)),
            ("allowance", (_RECEIVER, stage.addresses.pool)),
        ):
            scene.set(stage.place(token, _ERC20.function(function), *whose), RICH)
    return scene


def borrow(scene: Scene, source: AaveV3Flash, offer: Offer, amount_raw: int) -> Ran:
    call = source.call(offer, amount_raw=amount_raw, executor=_RECEIVER)
    (ran,) = scene.run([(LIQUIDATOR, call.target, call.data)])
    return ran


def premium_raw(ran: Ran, amount_raw: int) -> int:
    """Return what a loan of this amount was charged."""
    (event,) = [_FLASH_LOAN.decode(*log) for log in ran.logs if log[0][0] == _FLASH_LOAN.topic]
    assert event["amount"] == amount_raw
    premium = event["premium"]
    assert isinstance(premium, int)
    return premium
