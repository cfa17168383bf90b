"""All that can go wrong around a keeper, each kind by its name: when it can strike, and how it does.

A fault begins before a block and has ended when `strike` returns; what the keeper made of it is seen in the
blocks after. To add one: a function that strikes, and a line in the table.
"""

from __future__ import annotations

import resource
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

from keeper.devnet.drill.scene import CONFIRMATIONS, DEEPEST, Scene
from keeper.devnet.drill.torn import tear
from keeper.devnet.faults import ENDPOINT, Fault, Forget
from keeper.devnet.proxy_thread import Moment
from keeper.devnet.relay import Mood
from keeper.node.anvil import Anvil

_A_WHILE_S = 0.8
"""How long a fault goes on where the keeper does not decide in spite of it."""
_EXPIRES_WITHIN_S = 10.0
"""How long the keeper may take to find that a deadline has passed."""
_ARRIVES_S = 0.2
"""What was sent has come to a proxy by then."""
_FULL_BYTES = 4_096
"""No file grows beyond that on a full disk."""
_READS = ("eth_getLogs", "eth_call", "eth_simulateV1", "eth_getTransactionCount", "eth_getTransactionReceipt")
_SENDS = "eth_sendRawTransaction"


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One kind of fault."""

    strike: Callable[[Scene], None]
    possible: Callable[[Scene], bool] = lambda scene: True


def _goes_by(scene: Scene, blocks: int = 1) -> None:
    """Let blocks be mined while something is wrong, and some time pass with each."""
    for _ in range(blocks):
        scene.block()
        scene.decided(within_s=_A_WHILE_S)


# --- endpoints ----------------------------------------------------------------------------------------------


def _endpoint(make: Callable[[], Fault], scene: Scene) -> None:
    """Let one endpoint, or all, do this to every request."""
    proxies = scene.stage.proxies
    struck = scene.random.choice((proxies[:1], proxies[1:], proxies))
    for proxy in struck:
        proxy.add(None, make())
    _goes_by(scene)
    for proxy in struck:
        proxy.behave()


def _unindexed(scene: Scene) -> None:
    """Let the keeper's transactions be included, and no endpoint show it before all seems to be over."""
    proxies = scene.stage.proxies
    for proxy in proxies:
        proxy.add("eth_getTransactionReceipt", Forget())
    _goes_by(scene, CONFIRMATIONS + 2)
    for proxy in proxies:
        proxy.behave()


def _gone(scene: Scene) -> None:
    proxies = scene.stage.proxies
    struck = scene.random.choice((proxies[:1], proxies[1:], proxies))
    for proxy in struck:
        proxy.go_away()
    _goes_by(scene)
    for proxy in struck:
        proxy.come_back()


def _elsewhere(scene: Scene, *, forks: bool) -> None:
    """Let the second endpoint stand still, or go on with another block than the first."""
    devnet, second = scene.stage.devnet, scene.stage.proxies[1]
    with Anvil(fork_url=devnet.anvil.url, chain_id=_CHAIN_ID, no_mining=True) as other:
        if forks:
            other.rpc("evm_mine", hex(devnet.now_s + 1))
        second.point_to(other.url)
        _goes_by(scene, 1 if forks else 2)
        second.point_to(devnet.anvil.url)


_CHAIN_ID = 31_337

# --- the chain ----------------------------------------------------------------------------------------------


def _reorg(scene: Scene, *, depth: int = CONFIRMATIONS, reverts: bool = False) -> None:
    """Take back the blocks of the keeper's transactions; let them be mined too late, or not at all."""
    ours = scene.mined(depth=depth)
    scene.stage.devnet.anvil.rpc("anvil_reorg", depth, [])
    if reverts:
        scene.put(ours)
        _passes_deadlines(scene, ours)
    scene.decided(within_s=_A_WHILE_S)


def _passes_deadlines(scene: Scene, transactions: Mapping[str, str]) -> None:
    """Mine a block in which these are too late."""
    devnet = scene.stage.devnet
    journal = scene.stage.journal()
    deadlines_s = [one.deadline_s for one, _ in journal if f"0x{one.hash.hex()}" in transactions]
    devnet.mine(at_s=max([devnet.now_s, *deadlines_s]) + 1)
    scene.blocks += 1


def _dropped(scene: Scene) -> None:
    scene.drop(scene.pending())
    _goes_by(scene)


def _raced(scene: Scene) -> None:
    """Lose transactions, and find them again when the keeper has sent others in their place."""
    lost = scene.pending()
    scene.drop(lost)
    _goes_by(scene)
    if scene.random.random() < 0.5:
        scene.drop(scene.pending())
    scene.put(lost)
    _goes_by(scene)


def _kept(scene: Scene) -> None:
    """Lose transactions, and have who kept them send them when they are expired by all accounts."""
    lost = scene.pending()
    scene.drop(lost)
    _passes_deadlines(scene, lost)
    scene.decided(within_s=_EXPIRES_WITHIN_S)
    scene.drop(scene.pending())
    scene.put(lost)
    _goes_by(scene)


# --- relays -------------------------------------------------------------------------------------------------


def _relay(mood: Mood, scene: Scene) -> None:
    scene.mood(mood)
    _goes_by(scene, 2)
    scene.mood(Mood.HONEST)


# --- the machine --------------------------------------------------------------------------------------------


def _killed(scene: Scene) -> None:
    """Kill the keeper while some request of its is on the way, or at some time; perhaps let a block pass."""
    random, proxy = scene.random, scene.stage.proxy
    method = random.choice((*_READS, *([_SENDS] * 3)))
    trap = proxy.trap(method, random.choice(tuple(Moment)))
    scene.block()
    trap.wait(within_s=random.uniform(0, 2 * _A_WHILE_S))
    scene.stage.kill()
    (trap.release if random.random() < 0.5 else trap.drop)()
    proxy.behave()
    if random.random() < 0.5:
        scene.block()
    scene.restart()


def _torn(scene: Scene) -> None:
    """Cut the power while a line of the journal is written: nothing that hangs on it has happened yet.

    So nothing that is sent comes through from then on, by any endpoint.
    """
    traps = [proxy.trap(_SENDS, Moment.ASKED, times=None) for proxy in scene.stage.proxies]
    _goes_by(scene)
    scene.stage.kill()
    sprung = [trap.wait(within_s=_ARRIVES_S) for trap in traps]
    for trap, proxy in zip(traps, scene.stage.proxies, strict=True):
        trap.drop()
        proxy.behave()
    tear(scene.stage.journal_file, scene.random, written=not any(sprung))
    scene.restart()


def _disk_full(scene: Scene) -> None:
    pid = scene.stage.living.pid
    soft, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (_FULL_BYTES, hard))
    _goes_by(scene)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (soft, hard))


def _clock_back(scene: Scene) -> None:
    back_s = scene.random.uniform(60, 86_400)
    scene.clock.write_text(str(float(scene.clock.read_text()) - back_s))
    _goes_by(scene)


# --- the table ----------------------------------------------------------------------------------------------


def _is_pending(scene: Scene) -> bool:
    return bool(scene.pending())


def _is_mined(scene: Scene, *, depth: int = CONFIRMATIONS) -> bool:
    return bool(scene.mined(depth=depth))


def _is_sending(scene: Scene) -> bool:
    return _has_relay(scene) or _is_pending(scene)


def _has_relay(scene: Scene) -> bool:
    return scene.relay is not None


KINDS: Mapping[str, Kind] = {
    "endpoint killed and back": Kind(strike=_gone),
    **{f"endpoint: {name}": Kind(strike=partial(_endpoint, make)) for name, make in ENDPOINT.items()},
    "receipts are late": Kind(strike=_unindexed, possible=_is_sending),
    "second endpoint lags": Kind(strike=partial(_elsewhere, forks=False)),
    "head forks": Kind(strike=partial(_elsewhere, forks=True)),
    "reorg drops ours": Kind(strike=_reorg, possible=_is_mined),
    "reorg reverts ours": Kind(strike=partial(_reorg, reverts=True), possible=_is_mined),
    "reorg deeper than was waited for": Kind(
        strike=partial(_reorg, depth=DEEPEST), possible=partial(_is_mined, depth=DEEPEST)
    ),
    "dropped from the pool": Kind(strike=_dropped, possible=_is_pending),
    "replacement race": Kind(strike=_raced, possible=_is_pending),
    "expired and included": Kind(strike=_kept, possible=_is_pending),
    **{
        f"relay: {mood}": Kind(strike=partial(_relay, mood), possible=_has_relay)
        for mood in Mood
        if mood is not Mood.HONEST
    },
    "keeper killed": Kind(strike=_killed),
    "disk full": Kind(strike=_disk_full),
    "clock steps back": Kind(strike=_clock_back),
    "journal torn": Kind(strike=_torn),
}
