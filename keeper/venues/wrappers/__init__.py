"""Wrappers as venues: tokens that give up what they hold, so that a route may unwrap and then swap.

Each wrapper is a pool of two tokens whose depth is one straight segment, up to what may be taken out. Only
unwrapping is known: what is seized is sold, and nothing but collateral comes wrapped. Read ``pool`` first.
"""

from keeper.venues.wrappers.erc20_wrapper import Erc20Wrappers
from keeper.venues.wrappers.erc4626 import Erc4626
from keeper.venues.wrappers.pool import Wrapper
from keeper.venues.wrappers.wsteth import WstEth

__all__ = ["Erc20Wrappers", "Erc4626", "Wrapper", "WstEth"]
