"""`keeper resume`: releases the brakes. A keeper that runs hears of it at its next head."""

from __future__ import annotations

import time

from keeper.app.build import reach
from keeper.config import Settings
from keeper.domain.brake import Resumed, Tripped
from keeper.domain.errors import ConfigError
from keeper.live.braking import brakes_of
from keeper.store.journal import SqliteJournal


async def resume(settings: Settings) -> Tripped | None:
    """Release the brake that is on, and return it; None where none was.

    Raises ConfigError where there is no journal, or the kill file is there: that is for whoever put it.
    """
    if settings.kill_switch.exists():
        raise ConfigError(f"KEEPER_KILL_FILE: {settings.kill_switch} is there; remove it to send again")
    async with reach(settings) as reached:
        chain = reached.chain
    path = settings.journal(chain.chain_id)
    if not path.exists():
        raise ConfigError(f"KEEPER_STATE_DIR: there is no journal {path}: no keeper has sent anything here")
    now_s = int(time.time())
    with SqliteJournal.open(path, chain_id=chain.chain_id) as journal:
        tripped = brakes_of(journal, settings.brake_limits(chain)).on(now_s)
        if tripped is not None:
            journal.braked(Resumed(at_s=now_s))
        return tripped
