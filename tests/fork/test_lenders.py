"""All who lend, on their real contracts and through the real executor: the fee, the limit, the callback."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from random import Random

import pytest

from keeper import contracts
from keeper.abi import load
from keeper.devnet import Devnet
from keeper.devnet.accounts import Account
from keeper.devnet.artifact import Interface
from keeper.devnet.keeper_contracts import deploy
from keeper.domain.address import Address, address_of, word
from keeper.domain.calls import ContractCall
from keeper.domain.funding import Offer
from keeper.flash.aave_v3 import AaveV3Flash
from keeper.flash.balancer_v2 import BalancerV2Flash
from keeper.flash.morpho_blue import MorphoBlueFlash
from keeper.flash.uniswap_v3 import UniswapV3Flash
from keeper.flash.vault import VaultFlash
from keeper.planner.calldata import Leg, Program, Step, execute_calldata
from keeper.planner.funding import Loan
from keeper.ports import FlashSource
from tests.fork.uniswap_v3_stage import Stage

_ERC20 = load("erc20")
LENT_BY_VAULT_RAW, CAP_RAW = 500 * 10**18, 300 * 10**18
LENDERS = ("aave", "morpho", "balancer", "uniswap", "vault")


@dataclass(frozen=True, kw_only=True)
class Lab:
    devnet: Devnet
    stage: Stage
    executor: Address
    vault: Address

    def lender(self, name: str) -> FlashSource:
        there = self.devnet.addresses
        made: dict[str, Callable[[], FlashSource]] = {
            "aave": lambda: AaveV3Flash(pool=there.pool),
            "morpho": lambda: MorphoBlueFlash(morpho=there.morpho),
            "balancer": lambda: BalancerV2Flash(vault=there.balancer),
            "uniswap": lambda: UniswapV3Flash(
                factory=there.factory, beside=(there.weth, there.tokens["USDC"])
            ),
            "vault": lambda: VaultFlash(vault=self.vault, executor=self.executor),
        }
        return made[name]()

    async def offers(self, lender: FlashSource) -> tuple[Offer, ...]:
        offers: tuple[Offer, ...] = await self.stage.ask(
            lender.load(sorted(self.devnet.addresses.tokens.values()))
        )
        return offers

    def balance_raw(self, token: Address, holder: Address) -> int:
        answer = self.devnet.chain.call(token, _ERC20.function("balanceOf").encode(holder))
        return int.from_bytes(answer)

    def transfer(self, token: Address, amount_raw: int, *, to: Address, sender: Account) -> None:
        data = _ERC20.function("transfer").encode(to, amount_raw)
        self.devnet.chain.send(sender.address, token, data)

    def borrow(
        self, lender: FlashSource, offer: Offer, amount_raw: int, *, fee_raw: int | None = None
    ) -> dict[str, str]:
        """Have the executor borrow so much, and do nothing with it; return the receipt.

        What it needs for the fee is given to it before: `fee_raw`, else what the offer says.
        """
        fee_raw = offer.fee_raw(amount_raw) if fee_raw is None else fee_raw
        if fee_raw:
            self.transfer(offer.token, fee_raw, to=self.executor, sender=self.devnet.market)
        loan = Loan(lender=lender, offer=offer, executor=self.executor)
        return self.run(offer.token, loan.step(self.idle(offer.token), amount_raw=amount_raw, sales=()))

    def idle(self, token: Address) -> ContractCall:
        """Return a call that does nothing."""
        return ContractCall(target=token, data=_ERC20.function("balanceOf").encode(self.executor))

    def run(self, token: Address, step: Step) -> dict[str, str]:
        """Have the executor take one step, and return the receipt."""
        program = Program(
            wrapped_native=self.devnet.addresses.weth,
            deadline_s=2**40 - 1,
            floor_wei=0,
            legs=(Leg(steps=(step,)),),
            touched=(token,),
        )
        chain = self.devnet.chain
        sent = chain.post(self.devnet.operator.address, self.executor, execute_calldata(program))
        return dict(chain.receipt(sent))


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with Devnet.start() as devnet:
        executor, vault = deploy(devnet)
        made = Lab(devnet=devnet, stage=Stage(devnet), executor=executor, vault=vault)
        weth, owner = devnet.addresses.weth, devnet.owner.address
        made.transfer(weth, LENT_BY_VAULT_RAW, to=vault, sender=devnet.market)
        owned = devnet.contract(vault, Interface(contracts.vault().abi))
        owned.send("setLendsTo", executor, True, sender=owner)
        owned.send("setCap", weth, CAP_RAW, sender=owner)
        yield made


@pytest.mark.parametrize("name", LENDERS)
async def test_loan__random_amounts__takes_the_fee_to_the_unit_and_no_more(lab: Lab, name: str) -> None:
    lender, draw = lab.lender(name), Random(name)
    offers = await lab.offers(lender)
    assert {offer.token for offer in offers} <= set(lab.devnet.addresses.tokens.values())
    gas: list[int] = []
    for offer in draw.sample(offers, min(len(offers), 6)):
        amount_raw = max(1, int(offer.available_raw ** draw.uniform(0.3, 1)))
        fee_raw = offer.fee_raw(amount_raw)
        kept = lab.balance_raw(offer.token, lab.vault)
        ran = lab.borrow(lender, offer, amount_raw)
        assert int(ran["status"], 16) == 1
        alone = lab.run(offer.token, Step(call=lab.idle(offer.token)))
        gas.append(int(ran["gasUsed"], 16) - int(alone["gasUsed"], 16))
        assert lab.balance_raw(offer.token, lab.executor) == 0
        assert lab.balance_raw(offer.token, lab.vault) == kept
        if fee_raw:  # a unit less is too little
            assert int(lab.borrow(lender, offer, amount_raw, fee_raw=fee_raw - 1)["status"], 16) == 0
            lab.borrow(lender, offer, 1, fee_raw=offer.fee_raw(1))  # sweeps what was left
    # what it says it costs guides a choice: it must be about so
    assert max(gas) * 0.7 < lender.loan_gas < max(gas) * 1.3, gas


@pytest.mark.parametrize("name", LENDERS)
async def test_load__every_token__lends_what_is_available_and_no_unit_more(lab: Lab, name: str) -> None:
    lender = lab.lender(name)
    offers = await lab.offers(lender)
    expected = {"aave": 5, "morpho": 3, "balancer": 3, "uniswap": 8, "vault": 1}[name]
    assert len(offers) >= expected
    for offer in offers[:3]:
        over_raw = offer.available_raw + 1
        assert int(lab.borrow(lender, offer, over_raw)["status"], 16) == 0
        assert int(lab.borrow(lender, offer, over_raw - 1, fee_raw=0)["status"], 16) == 1


@pytest.mark.parametrize("name", LENDERS)
async def test_callback__asked_for_by_a_stranger__is_refused(lab: Lab, name: str) -> None:
    """Some lenders let anybody name the receiver: the executor takes what it committed to, and no more."""
    lender = lab.lender(name)
    offer = (await lab.offers(lender))[0]
    call = lender.call(offer, amount_raw=offer.available_raw // 2, executor=lab.executor)
    attacker, chain = lab.devnet.attacker.address, lab.devnet.chain
    assert int(chain.receipt(chain.post(attacker, call.target, call.data))["status"], 16) == 0
    assert call.callback is not None
    words = [word(offer.token), bytes(32), bytes(32), (32 * 5).to_bytes(32), bytes(32), bytes(32)]
    forged = call.callback.selector + b"".join(words)
    assert int(chain.receipt(chain.post(attacker, lab.executor, forged))["status"], 16) == 0


async def test_vault__executor_that_may_not_borrow__offers_nothing(lab: Lab) -> None:
    other = VaultFlash(vault=lab.vault, executor=lab.devnet.rival.address)
    assert await lab.offers(other) == ()


async def test_balancer__fee_that_governance_sets__is_taken_rounded_up(lab: Lab) -> None:
    lender = lab.lender("balancer")
    there = lab.devnet.addresses
    collector = lab.devnet.chain.call(
        there.balancer, load("balancer_v2_vault").function("getProtocolFeesCollector").encode()
    )
    offer = (await lab.offers(lender))[0]
    assert offer.premium_wad == 0
    slot = _slot_of_fee(lab, address_of(collector))
    rpc = lab.devnet.anvil.rpc
    rpc(
        "anvil_setStorageAt",
        "0x" + address_of(collector).hex(),
        slot,
        "0x" + (123_456_789_012_345).to_bytes(32).hex(),
    )
    dearer = (await lab.offers(lender))[0]
    assert dearer.premium_wad == 123_456_789_012_345
    for amount_raw in (1, 10**6 + 1, 77 * 10**17 + 3):
        assert int(lab.borrow(lender, dearer, amount_raw)["status"], 16) == 1
        assert (
            int(lab.borrow(lender, dearer, amount_raw, fee_raw=dearer.fee_raw(amount_raw) - 1)["status"], 16)
            == 0
        )
        lab.borrow(lender, dearer, 1, fee_raw=1)
    rpc("anvil_setStorageAt", "0x" + address_of(collector).hex(), slot, "0x" + bytes(32).hex())


def _slot_of_fee(lab: Lab, collector: Address) -> str:
    """Return the storage slot that the collector's answer follows."""
    rpc, fee = lab.devnet.anvil.rpc, load("balancer_v2_fees_collector").function("getFlashLoanFeePercentage")
    for slot in map(hex, range(8)):
        before = rpc("eth_getStorageAt", "0x" + collector.hex(), slot, "latest")
        rpc("anvil_setStorageAt", "0x" + collector.hex(), slot, "0x" + (7).to_bytes(32).hex())
        told = int.from_bytes(lab.devnet.chain.call(collector, fee.encode()))
        rpc("anvil_setStorageAt", "0x" + collector.hex(), slot, before)
        if told == 7:
            return slot
    raise AssertionError("no slot of the collector holds its fee")
