"""`keeper deploy`: the vault, then the executor before it, from the operator's key to the owner's hands."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
from hexbytes import HexBytes
from web3 import AsyncHTTPProvider, AsyncWeb3
from web3.exceptions import TimeExhausted, Web3Exception
from web3.types import TxReceipt

from keeper.app.build import reach, signing_key
from keeper.config import Settings
from keeper.contracts import executor_creation_code, is_executor_code, is_vault_code, vault_creation_code
from keeper.domain.address import Address, Hash32, checksum
from keeper.domain.errors import ConfigError, Unavailable
from keeper.domain.events import Listener
from keeper.domain.fixed_point import BPS, mul_div_up
from keeper.domain.plan import Fees
from keeper.domain.report import DeployReport
from keeper.domain.secret import Secret
from keeper.domain.submission import UnsignedTransaction
from keeper.keys import DeploymentSigner, SigningLimits
from keeper.node.endpoint import Endpoint
from keeper.node.endpoints import Endpoints

_GAS_ROOM_BPS = 12_000
_INCLUSION_TIMEOUT_S = 180.0


async def deploy(settings: Settings, *, owner: Address, listener: Listener) -> DeployReport:
    """Deploy vault and executor, and return where they are and what that cost.

    Raises ConfigError where the owner is the operator: a stolen operator's key would own the vault then.
    """
    key = signing_key(settings)
    if key is None:
        raise ConfigError("KEEPER_PRIVATE_KEY: is needed to deploy, or KEEPER_KEYSTORE")
    if key.address == owner:
        raise ConfigError(
            "--owner: is the operator, whose key is on this machine; expected another address, since the "
            "owner is who withdraws profit and replaces a stolen operator"
        )
    async with reach(settings) as reached:
        chain = reached.chain
    chain_id = chain.chain_id
    trading = settings.trading(chain_id)
    async with _web3(await _answering(settings, chain_id=chain_id)) as web3:
        signer = DeploymentSigner(
            key,
            limits=SigningLimits(chain_id=chain_id, max_fee_per_gas_wei=settings.max_fee_per_gas_wei),
        )
        deployer = _Deployer(web3, signer, settings)
        vault = await deployer.create("vault", vault_creation_code(owner=owner))
        executor = await deployer.create(
            "executor",
            executor_creation_code(operator=key.address, vault=vault, wrapped_native=trading.wrapped_native),
        )
        for address, is_right in ((vault, is_vault_code), (executor, is_executor_code)):
            if not is_right(bytes(await web3.eth.get_code(checksum(address)))):
                raise Unavailable(f"the code at {checksum(address)} is not what was deployed")
        return DeployReport(
            chain_id=chain_id,
            chain_name=chain.name,
            owner=owner,
            operator=key.address,
            executor=executor,
            vault=vault,
            transactions=tuple(Hash32(bytes(receipt["transactionHash"])) for receipt in deployer.receipts),
            cost_wei=sum(receipt["gasUsed"] * receipt["effectiveGasPrice"] for receipt in deployer.receipts),
        )


class _Deployer:
    """Creates contracts, one after the other, each once."""

    def __init__(
        self, web3: AsyncWeb3[AsyncHTTPProvider], signer: DeploymentSigner, settings: Settings
    ) -> None:
        self._web3 = web3
        self._signer = signer
        self._settings = settings
        self.receipts: list[TxReceipt] = []

    async def create(self, name: str, code: bytes) -> Address:
        """Return the address of the contract that `code` creates, once its block is there."""
        eth = self._web3.eth
        operator = checksum(self._signer.address)
        gas = await eth.estimate_gas({"from": operator, "data": code})
        fees = await self._fees(mul_div_up(gas, _GAS_ROOM_BPS, BPS))
        if (balance_wei := await eth.get_balance(operator)) < fees.gas_limit * fees.max_fee_per_gas_wei:
            raise ConfigError(
                f"KEEPER_PRIVATE_KEY: {operator} has {balance_wei / 1e18:.6f} of native coin, and deploying "
                f"the {name} may take {fees.gas_limit * fees.max_fee_per_gas_wei / 1e18:.6f}; send it some"
            )
        signed = self._signer.sign(
            UnsignedTransaction(
                chain_id=await eth.chain_id,
                nonce=await eth.get_transaction_count(operator, "pending"),
                to=None,
                value_wei=0,
                data=code,
                fees=fees,
            )
        )
        await eth.send_raw_transaction(signed.raw)
        try:
            receipt = await eth.wait_for_transaction_receipt(
                HexBytes(signed.hash), timeout=_INCLUSION_TIMEOUT_S
            )
        except TimeExhausted:
            raise Unavailable(
                f"the {name}'s deployment 0x{signed.hash.hex()} is in no block after "
                f"{_INCLUSION_TIMEOUT_S:.0f} s; look it up before you deploy again"
            ) from None
        if receipt["status"] != 1:
            raise Unavailable(f"the {name}'s deployment 0x{signed.hash.hex()} failed on chain")
        self.receipts.append(receipt)
        return Address(bytes.fromhex(str(receipt["contractAddress"])[2:]))

    async def _fees(self, gas_limit: int) -> Fees:
        base_fee_wei = (await self._web3.eth.get_block("latest"))["baseFeePerGas"]
        most_wei = self._settings.max_fee_per_gas_wei
        priority_wei = min(self._settings.priority_fee_wei, most_wei)
        if base_fee_wei + priority_wei > most_wei:
            raise Unavailable(
                f"gas at {(base_fee_wei + priority_wei) / 1e9:.2f} gwei is over KEEPER_MAX_FEE_PER_GAS_WEI"
            )
        return Fees(
            gas_limit=gas_limit,
            max_fee_per_gas_wei=min(2 * base_fee_wei + priority_wei, most_wei),
            max_priority_fee_per_gas_wei=priority_wei,
        )


@asynccontextmanager
async def _web3(url: Secret) -> AsyncIterator[AsyncWeb3[AsyncHTTPProvider]]:
    """Yield an endpoint as web3 sees it. Raises Unavailable for whatever fails there."""
    provider = AsyncHTTPProvider(url.reveal(), cache_allowed_requests=True)
    try:
        yield AsyncWeb3(provider)
    except (aiohttp.ClientError, OSError, Web3Exception) as error:
        why = str(error) or type(error).__name__
        raise Unavailable(f"{url}: {why}; look up what was sent before you deploy again") from None
    finally:
        await provider.disconnect()


async def _answering(settings: Settings, *, chain_id: int) -> Secret:
    """Return the first HTTP endpoint that answers. Raises Unavailable where none does."""
    problem = Unavailable("no endpoint was asked")
    for one in settings.rpc_urls:
        endpoint = Endpoint(one.url, roles=one.roles)
        if one.is_socket or not endpoint.answers_reads:
            continue
        endpoints = Endpoints([endpoint], chain_id=chain_id, patience_s=0)
        try:
            await endpoints.chain_id()
            return one.url
        except Unavailable as error:
            problem = error
        finally:
            await endpoints.close()
    raise problem
