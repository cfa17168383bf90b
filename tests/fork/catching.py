"""Requests of a keeper that runs by itself, counted until the one that is to be its last."""

from __future__ import annotations

from keeper.devnet.proxy_thread import Moment, ProxyThread, Trap


class Catch:
    """Holds the n-th request of a method since it began to count, and lets those before it pass.

    Each has its trap before any comes: requests that come side by side are counted too.
    """

    def __init__(self, proxy: ProxyThread, method: str, moment: Moment, *, nth: int) -> None:
        self._proxy = proxy
        self._method = method
        self._moment = moment
        self._traps = [self._set() for _ in range(nth)]

    def sprung(self) -> bool:
        """Return whether it holds its request. Whoever waits for that must go on asking."""
        for trap in self._traps[:-1]:
            if trap.sprung:
                trap.release()
        return self._traps[-1].sprung

    def count_anew(self) -> None:
        """Forget those that have passed."""
        passed = sum(trap.sprung for trap in self._traps[:-1])
        self._traps = [*self._traps[passed:], *(self._set() for _ in range(passed))]

    @property
    def asked(self) -> object:
        """Return the first parameter of the request that it holds."""
        return self._traps[-1].params[0]

    def deliver(self) -> None:
        """Let the request go on, although nobody may be there to hear the answer."""
        self._traps[-1].release()

    def _set(self) -> Trap:
        return self._proxy.trap(self._method, self._moment)
