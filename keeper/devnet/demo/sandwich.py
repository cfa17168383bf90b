"""A sandwich around a transaction of the keeper's, executed on a fork of the chain as it is at that moment.

The attacker reads the transaction from the mempool, sells into the pools that it is going to sell into, lets
it run, and sells back. What would reach the vault is then less than the floor, and the executor undoes
everything: what is left to the attacker is two swaps' fees to pay.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol

from keeper import contracts
from keeper.abi import WORD, interface, load, uint
from keeper.devnet.addresses import Addresses
from keeper.devnet.chain import Chain
from keeper.devnet.demo.receipts import Receipt
from keeper.devnet.demo.report import Sandwich
from keeper.devnet.demo.stage import Stage, balance_raw
from keeper.domain.address import Address, Hash32
from keeper.domain.depth import Hop
from keeper.domain.fixed_point import BPS
from keeper.domain.plan import Plan, Transaction
from keeper.node.anvil import Anvil

_MOVES_BPS = 20
"""How far the attacker moves the square root of each pool's price. The price itself moves twice as far:
within the keeper's slippage limit of 50 bps, which would stop it before the floor does."""

_FOREVER_S = 2**40
_IN_ORDER = ("--order", "fifo", "--auto-impersonate")


def sandwich(stage: Stage, plan: Plan, transaction: Hash32) -> Sandwich | None:
    """Attack the keeper's pending transaction on a fork. The chain itself sees nothing of it.

    Returns None where it sells nothing, so that there is nothing to attack.
    """
    hops = attacked(plan)
    if not hops:
        return None
    devnet, block = stage.devnet, stage.next_block()
    attacker, weth = devnet.attacker.address, devnet.addresses.weth
    raw = devnet.anvil.rpc("eth_getRawTransactionByHash", f"0x{transaction.hex()}")
    with Anvil(fork_url=devnet.anvil.url, no_mining=True, extra=_IN_ORDER) as fork:
        chain = Chain(fork.rpc)
        vault_wei = balance_raw(chain, weth, stage.vault)
        sold = plan.draft.close.seized.token.address
        held_raw = balance_raw(chain, sold, attacker)
        routers = exchanges(chain, devnet.addresses, attacker)
        around = [_around(chain, routers[hop.pool], hop, held_raw, attacker) for hop in hops]

        sent = [chain.post(attacker, front.to, front.data) for front, _ in around]
        kept = fork.rpc("eth_sendRawTransaction", raw)
        for _, back in around:
            chain.post(attacker, back.to, back.data)
        chain.mine(at_s=block.timestamp_s)

        succeeded = Receipt(chain.receipt(kept)).succeeded
        error = b"" if succeeded else _revert(chain, kept)
        known = interface(contracts.executor().abi)
        name = "" if succeeded else known.error_name(error) or f"0x{error[:4].hex()}"
        return Sandwich(
            plan=plan,
            hops=hops,
            sold_raw=sum(Receipt(chain.receipt(one)).moved_raw(sold, sender=attacker) for one in sent),
            lost_raw=held_raw - balance_raw(chain, sold, attacker),
            succeeded=succeeded,
            error=name,
            profit_wei=uint(error[4:]) if name == "FloorNotMet" else None,
            taken_wei=max(vault_wei - balance_raw(chain, weth, stage.vault), 0),
        )


def attacked(plan: Plan) -> tuple[Hop, ...]:
    """Return where the keeper is going to sell the collateral: every pool once."""
    sold = plan.draft.close.seized.token
    closes = [close for close in plan.draft.closes if close.seized.token == sold]
    first = (flow.route.hops[0] for close in closes for flow in (*close.buys, *close.sells))
    return tuple({hop.pool: hop for hop in first}.values())


def _around(
    chain: Chain, exchange: _Exchange, hop: Hop, held_raw: int, attacker: Address
) -> tuple[Transaction, Transaction]:
    """Return the attacker's two swaps in a pool, before the keeper's and after it."""
    front = Transaction(to=exchange.router, data=exchange.front(hop, held_raw))
    asked = {"from": f"0x{attacker.hex()}", "to": f"0x{front.to.hex()}", "data": f"0x{front.data.hex()}"}
    # whichever router it is, the last word of its answer is what came out
    bought_raw = uint(bytes.fromhex(chain.rpc("eth_call", asked, "latest")[2:])[-WORD:])
    back = replace(hop, token_in=hop.token_out, token_out=hop.token_in)
    return front, Transaction(to=exchange.router, data=exchange.back(back, bought_raw))


class _Exchange(Protocol):
    """How the attacker trades with pools of one kind."""

    @property
    def router(self) -> Address: ...

    def front(self, hop: Hop, held_raw: int) -> bytes:
        """Return the sale that moves the price, to the next seller's loss, of at most so much."""
        ...

    def back(self, hop: Hop, amount_in_raw: int) -> bytes:
        """Return the sale of so much."""
        ...


def exchanges(chain: Chain, there: Addresses, attacker: Address) -> dict[Address, _Exchange]:
    """Return how each of the devnet's pools is traded with."""
    v3 = _UniswapV3(chain=chain, router=there.router, attacker=attacker)
    v2 = _UniswapV2(chain=chain, router=there.v2_router, attacker=attacker)
    return {**dict.fromkeys(there.pools.values(), v3), **dict.fromkeys(there.v2_pairs.values(), v2)}


@dataclass(frozen=True, slots=True, kw_only=True)
class _UniswapV3:
    """A pool is sold into until its price is where it is wanted."""

    chain: Chain
    router: Address
    attacker: Address

    def front(self, hop: Hop, held_raw: int) -> bytes:
        slot0 = load("uniswap_v3_pool").function("slot0")
        now_x96: int = slot0.decode(self.chain.call(hop.pool, slot0.encode()))[0]
        moved_bps = BPS - _MOVES_BPS if hop.token_in < hop.token_out else BPS + _MOVES_BPS
        return self._swap(hop, held_raw, limit_x96=now_x96 * moved_bps // BPS)

    def back(self, hop: Hop, amount_in_raw: int) -> bytes:
        return self._swap(hop, amount_in_raw, limit_x96=0)

    def _swap(self, hop: Hop, amount_in_raw: int, *, limit_x96: int) -> bytes:
        order = (hop.token_in, hop.token_out, hop.fee_ppm, self.attacker, amount_in_raw, 0, limit_x96)
        return load("uniswap_v3_router").function("exactInputSingle").encode(order)


@dataclass(frozen=True, slots=True, kw_only=True)
class _UniswapV2:
    """A pair's price moves as far as its reserves do: their product stays."""

    chain: Chain
    router: Address
    attacker: Address

    def front(self, hop: Hop, held_raw: int) -> bytes:
        reserves = load("uniswap_v2_pair").function("getReserves")
        of_0, of_1, _ = reserves.decode(self.chain.call(hop.pool, reserves.encode()))
        reserve_raw = of_0 if hop.token_in < hop.token_out else of_1
        return self.back(hop, min(reserve_raw * _MOVES_BPS // BPS, held_raw))

    def back(self, hop: Hop, amount_in_raw: int) -> bytes:
        swap = load("uniswap_v2_router").function("swapExactTokensForTokens")
        return swap.encode(amount_in_raw, 0, (hop.token_in, hop.token_out), self.attacker, _FOREVER_S)


def _revert(chain: Chain, transaction: str) -> bytes:
    """Return what a mined transaction reverted with."""
    trace = chain.rpc("debug_traceTransaction", transaction, {"tracer": "callTracer"})
    return bytes.fromhex(trace.get("output", "0x")[2:])
