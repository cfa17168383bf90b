"""The executor and the vault as they are deployed: ABI and code, built from `contracts/src`.

The JSON files beside this are made by ``scripts/build-contracts``; a test builds them again and compares.
Knows no chain: deploying is signing a creation code, and checking is comparing code.
"""

from keeper.contracts.built import (
    Built,
    executor,
    executor_creation_code,
    is_executor_code,
    is_vault_code,
    vault,
    vault_creation_code,
)

__all__ = [
    "Built",
    "executor",
    "executor_creation_code",
    "is_executor_code",
    "is_vault_code",
    "vault",
    "vault_creation_code",
]
