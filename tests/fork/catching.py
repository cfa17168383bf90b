"""Requests of a keeper that runs by itself, counted until the one that is to be its last."""

from __future__ import annotations

from keeper.devnet.proxy_thread import Moment, ProxyThread, Trap


class Catch:
    """Holds the n-th request of a method since it began to count, and lets those before it pass."""

    def __init__(self, proxy: ProxyThread, method: str, moment: Moment, *, nth: int) -> None:
        self._proxy = proxy
        self._method = method
        self._moment = moment
        self._nth = nth
        self._passed = 0
        self._trap = self._set()

    def sprung(self) -> bool:
        """Return whether it holds its request. Whoever waits for that must go on asking."""
        if not self._trap.sprung:
            return False
        if self._passed < self._nth - 1:
            caught, self._trap = self._trap, self._set()
            caught.release()
            self._passed += 1
            return False
        return True

    def count_anew(self) -> None:
        """Forget those that have passed."""
        self._passed = 0

    @property
    def asked(self) -> object:
        """Return the first parameter of the request that it holds."""
        return self._trap.params[0]

    def deliver(self) -> None:
        """Let the request go on, although nobody may be there to hear the answer."""
        self._trap.release()

    def _set(self) -> Trap:
        return self._proxy.trap(self._method, self._moment)
