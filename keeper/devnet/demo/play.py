"""The play: a crash in steps, the keeper's answer to each block, and whatever goes against it.

A step is the market's block, then the keeper's, 12 s later, in which the market rests. Should the keeper
find more to do upon its own block, that gets one too. Nothing here tells the keeper anything: it follows the
chain, and the next block is mined once it has logged that it has decided upon the last.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from keeper.devnet.attacks import AttackResult, run_attacks
from keeper.devnet.build import BLOCK_S
from keeper.devnet.demo.following import Decision, Follower
from keeper.devnet.demo.judging import Judge
from keeper.devnet.demo.ledger import Ledger, Pursuit
from keeper.devnet.demo.referee import Referee
from keeper.devnet.demo.report import BadDebt, DemoReport, Overlooked, Sandwich
from keeper.devnet.demo.rival import Rival
from keeper.devnet.demo.sandwich import sandwich
from keeper.devnet.demo.stage import Stage
from keeper.devnet.devnet import Devnet
from keeper.devnet.scenario import Path, Step
from keeper.domain.declined import Declined
from keeper.domain.position import PositionId
from keeper.node.anvil import Anvil

_MOST_ROUNDS = 8
"""Blocks of the keeper's in one step: with more it would never come to rest."""


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
        self._judge = Judge(
            referee=self._referee, operator=stage.devnet.operator.address, symbols=self._symbols
        )
        self._rival = Rival(stage.devnet, seed=seed)
        self._ledger = Ledger(stage)
        self._unhealthy: set[PositionId] = set()
        self._left: dict[PositionId, Declined] = {}
        self._overlooked: list[Overlooked] = []
        self._sandwich: Sandwich | None = None

    def run(self) -> DemoReport:
        """Play it to the end. Raises Ended where the keeper does not keep up, Failed where the chain does."""
        began_s = time.monotonic()
        first_block, vault_wei = self._devnet.chain.block_number(), self._stage.vault_wei()
        follower = Follower(self._stage)
        try:
            for number, step in enumerate(self._path, start=1):
                self._play(number, step, follower)
        finally:
            follower.stop()
        ledger, there = self._ledger, self._devnet.addresses
        alone = self._unhealthy - ledger.closed
        return DemoReport(
            seed=self._seed,
            borrowers=len(there.borrowers) + len(there.morpho_borrowers),
            steps=len(self._path),
            blocks=self._devnet.chain.block_number() - first_block,
            symbols=self._symbols,
            unhealthy=frozenset(self._unhealthy),
            liquidations=tuple(ledger.liquidations),
            lost=tuple(ledger.lost),
            failures=tuple(ledger.failures),
            declined={position: why for position, why in self._left.items() if position in alone},
            overlooked=tuple(self._overlooked),
            bad_debts=tuple(self._bad_debts()),
            sandwich=self._sandwich,
            attacks=self._attacks(),
            recovery=follower.recovery,
            vault_wei=self._stage.vault_wei() - vault_wei,
            claimed_wei=follower.claimed_wei,
            seconds=time.monotonic() - began_s,
        )

    # --- a step ---------------------------------------------------------------------------------------------

    def _play(self, number: int, step: Step, follower: Follower) -> None:
        """Move the market, and mine blocks until the keeper has nothing more to do."""
        if self._ledger.liquidations:
            follower.set_trap()
        late = 2 * number > len(self._path)
        head = self._devnet.market_block(
            step.prices_base, base_fee_wei=step.base_fee_wei, at_s=self._devnet.now_s + BLOCK_S
        )
        self._tell(self._progress(number, head))
        decision = follower.decision(head)
        for _ in range(_MOST_ROUNDS):
            killed_over = follower.killed_over(head + 1)
            head = self._keepers_block(decision, late=late, sparing=killed_over)
            follower.count_liquidations(head)
            self._tell(self._progress(number, head))
            decision = follower.decision(head)
            if not decision.pursued:
                return

    def _keepers_block(self, decision: Decision, *, late: bool, sparing: PositionId | None) -> int:
        """Mine the block that the keeper has sent its transactions for, and return its number."""
        block = self._stage.next_block()
        unhealthy = [one for one in self._referee.positions(block) if one.unhealthy]
        self._unhealthy |= {one.id for one in unhealthy}
        self._left |= decision.left
        self._overlooked += self._judge.overlooked(unhealthy, decision, block)
        comparisons = self._judge.comparisons(decision, block)

        if decision.pursued and self._sandwich is None:
            plan, sent = decision.pursued[0]  # it needs none of the others to have run
            self._sandwich = sandwich(self._stage, plan, sent.hash)
        bid = self._rival.bid(decision.plans, late=late, sparing=sparing)
        number = self._devnet.keeper_block(at_s=block.timestamp_s)
        self._ledger.settle(
            [
                Pursuit(plan=plan, sent=sent, comparison=comparison)
                for (plan, sent), comparison in zip(decision.pursued, comparisons, strict=True)
            ],
            bid,
        )
        return number

    def _progress(self, step: int, head: int) -> Progress:
        return Progress(
            step=step,
            steps=len(self._path),
            block_number=head,
            prices_base=self._path[step - 1].prices_base,
            unhealthy=len(self._unhealthy),
            liquidated=len({one.plan.draft.position for one in self._ledger.liquidations}),
            lost=len(self._ledger.lost),
        )

    # --- the end --------------------------------------------------------------------------------------------

    def _attacks(self) -> tuple[AttackResult, ...]:
        """Return what a stolen key takes, tried on a fork of the chain as it is now."""
        with Anvil(fork_url=self._devnet.anvil.url) as fork:
            return tuple(run_attacks(Devnet(fork, self._devnet.addresses, automine=True)))

    def _bad_debts(self) -> Iterator[BadDebt]:
        """Yield whatever owes more than there is collateral, or did when its market wrote that off."""
        for position in self._referee.positions(self._stage.next_block()):
            if position.is_offer:
                continue
            written_off_base = self._ledger.written_off_base.get(position.id, 0)
            uncovered_base = max(position.debt_base - position.collateral_base, 0)
            if written_off_base or uncovered_base:
                yield BadDebt(
                    position=position.id,
                    written_off_base=written_off_base,
                    uncovered_base=uncovered_base,
                )
