"""A local chain with the real contracts of Aave V3.6 and Uniswap V3, borrowers, and a market that moves.

::

    with Devnet.start() as devnet:                       # a tenth of a second, once built
        devnet.market_block({"WETH": 2_400 * 10**8})     # feeds report, pools follow
        devnet.addresses.pool, devnet.operator.private_key, devnet.anvil.url

The contracts are compiled and deployed from their npm packages, so a devnet lives in a checkout of the
keeper's repository that ``scripts/setup`` has been run in. In tests, take the fixture `devnet`.
"""

from keeper.devnet.accounts import Account
from keeper.devnet.addresses import Addresses, PoolKey
from keeper.devnet.build import BLOCK_S, CHAIN_ID
from keeper.devnet.chain import Chain, Contract, Failed
from keeper.devnet.devnet import Devnet

__all__ = ["BLOCK_S", "CHAIN_ID", "Account", "Addresses", "Chain", "Contract", "Devnet", "Failed", "PoolKey"]
