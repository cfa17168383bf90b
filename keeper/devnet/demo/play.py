"""The play: a crash in steps, the keeper's answer to each block, and whatever goes against it.

A step is the market's block, then the keeper's, 12 s later, in which the market rests. Should the keeper
find more to do upon its own block, that gets one too. Nothing here tells the keeper anything: it follows the
chain, and the next block is mined once it has logged that it has decided upon the last.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from keeper.devnet.attacks import AttackResult, run_attacks
from keeper.devnet.build import BLOCK_S
from keeper.devnet.demo import log
from keeper.devnet.demo.ledger import Ledger, Pursuit
from keeper.devnet.demo.log import Line
from keeper.devnet.demo.referee import FULL_BPS, HALF_BPS, Attempt, Block, Pending, Position, Referee
from keeper.devnet.demo.report import BadDebt, Comparison, DemoReport, Overlooked, Recovery, Sandwich
from keeper.devnet.demo.rival import Rival
from keeper.devnet.demo.sandwich import sandwich
from keeper.devnet.demo.stage import MIN_PROFIT_GAS_RATIO_BPS, MIN_PROFIT_WEI, PRIORITY_FEE_WEI, Stage
from keeper.devnet.devnet import Devnet
from keeper.devnet.proxy import Trap
from keeper.devnet.scenario import Path, Step
from keeper.domain.address import Address
from keeper.domain.declined import Declined, Reason
from keeper.domain.fixed_point import BPS
from keeper.domain.plan import Plan
from keeper.node.anvil import Anvil

_MOST_ROUNDS = 8
"""Blocks of the keeper's in one step: with more it would never come to rest."""

_LIMITS = frozenset(
    {Reason.DENIED, Reason.BASE_FEE, Reason.DIVERGENCE, Reason.BELOW_MINIMUM, Reason.IN_FLIGHT}
)
"""Reasons that are limits which the operator has stated. A transaction in flight is one for a block: its
pools are spoken for, and at the next block the referee looks again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """Where the play is."""

    step: int
    steps: int
    block_number: int
    prices_base: Mapping[str, int]
    unhealthy: int
    liquidated: int
    lost: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Decision:
    """What the keeper decided upon one head."""

    pursued: tuple[tuple[Plan, log.Sent], ...]
    """In the order of their nonces."""
    left: Mapping[Address, Declined]


class Play:
    """The demo, as it goes on."""

    def __init__(self, stage: Stage, path: Path, *, seed: int, tell: Callable[[Progress], None]) -> None:
        """`tell` hears of each block."""
        self._stage = stage
        self._devnet = stage.devnet
        self._path = path
        self._seed = seed
        self._tell = tell
        self._symbols = {token: symbol for symbol, token in stage.devnet.addresses.tokens.items()}
        self._referee = Referee(stage.devnet)
        self._rival = Rival(stage.devnet, seed=seed)
        self._ledger = Ledger(stage)
        self._step = 0
        self._trap: Trap | None = None
        self._unhealthy: set[Address] = set()
        self._left: dict[Address, Declined] = {}
        self._overlooked: list[Overlooked] = []
        self._claimed_wei = 0
        self._sandwich: Sandwich | None = None
        self._recovery: Recovery | None = None

    def run(self) -> DemoReport:
        """Play it to the end. Raises Ended where the keeper does not keep up, Failed where the chain does."""
        began_s = time.monotonic()
        first_block, vault_wei = self._devnet.chain.block_number(), self._stage.vault_wei()
        self._daemon = self._stage.start_keeper()
        try:
            for step in self._path:
                self._step += 1
                self._play(step)
        finally:
            self._daemon.stop()
        there = self._devnet.addresses
        ledger = self._ledger
        return DemoReport(
            seed=self._seed,
            borrowers=len(there.borrowers),
            steps=len(self._path),
            blocks=self._devnet.chain.block_number() - first_block,
            symbols=self._symbols,
            unhealthy=frozenset(self._unhealthy),
            liquidations=tuple(ledger.liquidations),
            lost=tuple(ledger.lost),
            failures=tuple(ledger.failures),
            declined={
                borrower: why
                for borrower, why in self._left.items()
                if borrower in self._unhealthy - ledger.closed
            },
            overlooked=tuple(self._overlooked),
            bad_debts=tuple(self._bad_debts()),
            sandwich=self._sandwich,
            attacks=self._attacks(),
            recovery=self._recovery,
            vault_wei=self._stage.vault_wei() - vault_wei,
            claimed_wei=self._claimed_wei,
            seconds=time.monotonic() - began_s,
        )

    def _attacks(self) -> tuple[AttackResult, ...]:
        """Return what a stolen key takes, tried on a fork of the chain as it is now."""
        with Anvil(fork_url=self._devnet.anvil.url) as fork:
            return tuple(run_attacks(Devnet(fork, self._devnet.addresses, automine=True)))

    def _bad_debts(self) -> Iterator[BadDebt]:
        for position in self._referee.positions(self._stage.next_block()):
            written_off_base = self._ledger.written_off_base.get(position.borrower, 0)
            uncovered_base = max(position.debt_base - position.collateral_base, 0)
            if written_off_base or uncovered_base:
                yield BadDebt(
                    borrower=position.borrower,
                    written_off_base=written_off_base,
                    uncovered_base=uncovered_base,
                )

    # --- a step ---------------------------------------------------------------------------------------------

    def _play(self, step: Step) -> None:
        """Move the market, and mine blocks until the keeper has nothing more to do."""
        if self._ledger.liquidations and self._trap is None:
            self._trap = self._stage.proxy.trap("eth_sendRawTransaction")
        head = self._devnet.market_block(
            step.prices_base, base_fee_wei=step.base_fee_wei, at_s=self._devnet.now_s + BLOCK_S
        )
        self._report_progress(head)
        decision = self._decision(head)
        for _ in range(_MOST_ROUNDS):
            head = self._keepers_block(decision)
            self._report_progress(head)
            decision = self._decision(head)
            if not decision.pursued:
                break

    def _keepers_block(self, decision: _Decision) -> int:
        """Mine the block that the keeper has sent its transactions for, and return its number."""
        block = self._stage.next_block()
        self._judge(decision, block)
        pursuits = self._pursuits(decision, block)
        if pursuits and self._sandwich is None:
            first = pursuits[0]  # it needs none of the others to have run
            self._sandwich = sandwich(self._stage, first.plan, first.sent.hash)
        bid = self._rival.bid([one.plan for one in pursuits], late=2 * self._step > len(self._path))
        number = self._devnet.keeper_block(at_s=block.timestamp_s)
        self._ledger.settle(pursuits, bid)
        if self._recovery is not None and self._recovery.block_number == number:
            found = self._stage.liquidations(self._recovery.borrower, number)
            self._recovery = replace(self._recovery, liquidations=found)
        return number

    def _report_progress(self, head: int) -> None:
        ledger = self._ledger
        self._tell(
            Progress(
                step=self._step,
                steps=len(self._path),
                block_number=head,
                prices_base=self._path[self._step - 1].prices_base,
                unhealthy=len(self._unhealthy),
                liquidated=len({one.plan.draft.borrower for one in ledger.liquidations}),
                lost=len(ledger.lost),
            )
        )

    # --- the keeper -----------------------------------------------------------------------------------------

    def _decision(self, head: int) -> _Decision:
        """Return what the keeper decided upon a head, once it has logged that it has."""
        lines = self._daemon.until(_decided_upon(head), interrupted=self._sprung)
        if self._sprung():
            lines += self._kill_and_restart(head)
        plans: dict[Address, Plan] = {}
        pursued: dict[Address, tuple[Plan, log.Sent]] = {}
        left: dict[Address, Declined] = {}
        for line in lines:
            match line["event"]:
                case "planned":
                    plan = log.plan(line)
                    plans[plan.draft.borrower] = plan
                case "sent" | "recovered":
                    sent = log.sent(line)
                    pursued[sent.borrower] = plans[sent.borrower], sent
                case "left":
                    borrower, why = log.left(line)
                    left[borrower] = why
                case "concluded":
                    self._claimed_wei += log.claimed_wei(line)
        self._left |= left
        in_order = sorted(pursued.values(), key=lambda entry: entry[1].nonce)
        return _Decision(pursued=tuple(in_order), left=left)

    def _sprung(self) -> bool:
        return self._trap is not None and self._trap.sprung and self._recovery is None

    def _kill_and_restart(self, head: int) -> list[Line]:
        """Kill the keeper in mid-send, and return what it and its successor logged of this head."""
        assert self._trap is not None
        began_s = time.monotonic()
        lines = self._daemon.kill()
        self._trap.release()
        self._daemon = self._stage.start_keeper()
        heard = self._daemon.until(_decided_upon(head))
        recovered = next(line for line in heard if line["event"] == "recovered")
        submission = log.sent(recovered)
        self._recovery = Recovery(
            block_number=head + 1,
            borrower=submission.borrower,
            hash=submission.hash,
            back_after_s=time.monotonic() - began_s,
            found=recovered["outcome"] and recovered["outcome"]["kind"],
            liquidations=0,
        )
        return lines + heard

    # --- the referee ----------------------------------------------------------------------------------------

    def _judge(self, decision: _Decision, block: Block) -> None:
        """Have the referee try every unhealthy position, and enter what the keeper should have done.

        What pays alone must also pay behind what the keeper sends in the same block: no depth is sold twice.
        """
        unhealthy = [one for one in self._referee.positions(block) if one.unhealthy]
        self._unhealthy |= {one.borrower for one in unhealthy}
        pursued = {plan.draft.borrower for plan, _ in decision.pursued}
        limited = {borrower for borrower, why in decision.left.items() if why.reason in _LIMITS}
        open_ = [one for one in unhealthy if one.borrower not in pursued | limited]
        sent = [self._pending(plan) for plan, _ in decision.pursued]
        alone = self._paying(open_, block, after=())
        behind = self._paying([one for one in open_ if one.borrower in alone], block, after=sent)
        price_wei = block.base_fee_wei + PRIORITY_FEE_WEI
        self._overlooked += [
            Overlooked(
                block_number=block.number,
                borrower=borrower,
                collateral=attempt.collateral,
                debt=attempt.debt,
                net_wei=attempt.net_wei(price_wei),
                why=decision.left.get(borrower),
            )
            for borrower, attempt in behind.items()
        ]

    def _paying(
        self, positions: Sequence[Position], block: Block, *, after: Sequence[Pending]
    ) -> Mapping[Address, Attempt]:
        """Return the best full close of each position, where it clears the minimums that are stated."""
        price_wei = block.base_fee_wei + PRIORITY_FEE_WEI
        closes = self._referee.full_closes(positions, block, after=after)
        best = {who: max(tried, key=lambda one: one.net_wei(price_wei)) for who, tried in closes.items()}
        return {borrower: attempt for borrower, attempt in best.items() if _pays(attempt, price_wei)}

    def _pursuits(self, decision: _Decision, block: Block) -> list[Pursuit]:
        """Return what the keeper pursues, each with what the referee would have had in its place."""
        before: list[Pending] = []
        pursuits = []
        for plan, sent in decision.pursued:
            comparison = Comparison(
                half_wei=self._instead(plan, HALF_BPS, block, before),
                full_wei=self._instead(plan, FULL_BPS, block, before),
            )
            pursuits.append(Pursuit(plan=plan, sent=sent, comparison=comparison))
            before.append(self._pending(plan))
        return pursuits

    def _pending(self, plan: Plan) -> Pending:
        call = plan.draft.transaction
        return Pending(sender=self._devnet.operator.address, to=call.to, data=call.data)

    def _instead(self, plan: Plan, share_bps: int, block: Block, before: Sequence[Pending]) -> int | None:
        """Return what closing that share of the same pair would have left after gas, None where refused."""
        price_wei = block.base_fee_wei + PRIORITY_FEE_WEI
        close = plan.draft.close
        attempt = self._referee.close(
            plan.draft.borrower,
            self._symbols[close.seized.token.address],
            self._symbols[close.repaid.token.address],
            share_bps=share_bps,
            block=block,
            after=before,
            gas_price_wei=price_wei,
        )
        return attempt.net_wei(price_wei) if attempt else None


def _decided_upon(head: int) -> Callable[[Line], bool]:
    return lambda line: line["event"] == "decided" and log.head_number(line) == head


def _pays(attempt: Attempt, gas_price_wei: int) -> bool:
    """Return whether a close clears the minimums that the operator has stated."""
    gas_wei = attempt.gas_used * gas_price_wei
    least_wei = max(MIN_PROFIT_WEI, gas_wei * MIN_PROFIT_GAS_RATIO_BPS // BPS)
    return attempt.net_wei(gas_price_wei) >= least_wei
