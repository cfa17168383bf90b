"""Several borrowers of one block in one transaction of the daemon's: each is closed once, for less gas."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

from keeper.devnet import Devnet
from keeper.devnet.build import CHAIN_ID
from keeper.devnet.drill.audit import audit, landed
from keeper.devnet.drill.stage import daemon_stage
from keeper.devnet.scenario import crash
from keeper.domain.ledger import total
from keeper.domain.submission import Included
from keeper.store import SqliteJournal


def test_run__several_borrowers_a_block__one_transaction_each_of_them_told_and_closed_once(
    manual_devnet: Devnet, tmp_path: Path
) -> None:
    with daemon_stage(manual_devnet, tmp_path) as stage:
        stage.environment |= {"KEEPER_MOST_JOINED": "8"}
        stage.start()
        stage.await_decision()
        for _ in islice(stage.play(crash(2, steps=20)), 16):
            stage.await_decision()
        for _ in stage.rest():
            stage.await_decision()
        stage.stop()
        journal, chain = stage.journal(), landed(stage)
        found = audit(stage, left_in_pool=())
        with SqliteJournal.open(stage.journal_file, chain_id=CHAIN_ID) as kept:
            entries = {entry.transaction: entry for entry in kept.entries(since_s=0)}
    assert found.is_sound and found.included >= 3, found
    joined = [one for one, outcome in journal if one.others and isinstance(outcome, Included)]
    assert joined, "several fell in one block"
    for one in joined:
        entry = entries[one.hash]
        assert [part.position for part in entry.parts] == list(one.positions)
        assert total(part.realised for part in entry.parts) == entry.realised
        for part in entry.parts:
            assert part.predicted.bonus_wei > 0 and part.predicted.net_wei > 0
            assert abs(part.realised.net_wei - part.predicted.net_wei) * 100 <= part.predicted.net_wei
    for one, outcome in journal:
        if isinstance(outcome, Included):
            assert chain[one.hash].closed == set(one.positions)
            assert outcome.realised_profit_wei >= one.predicted_profit_wei * 99 // 100
