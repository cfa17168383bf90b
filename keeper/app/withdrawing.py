"""`keeper sweep`: the transaction that empties the vault, unsigned: the owner's key is somewhere else."""

from __future__ import annotations

from keeper.abi import uint
from keeper.app.build import reach
from keeper.app.owning import VAULT, Owners, owner_of, unsigned
from keeper.config import Settings
from keeper.domain.address import Address, checksum
from keeper.domain.errors import Broken, ConfigError
from keeper.domain.state import Mined
from keeper.erc20 import balance_of, said
from keeper.query import read_one, run


async def sweep(settings: Settings, *, token: Address | None, to: Address | None) -> Owners:
    """Return the withdrawal of all that the vault holds of a token, unsigned; it was tried as the owner.

    Without `token` the wrapped native one, without `to` for the owner. Raises ConfigError where there is
    nothing to take, or the vault refuses.
    """
    assert settings.vault is not None  # the command needs it
    vault = settings.vault
    async with reach(settings) as reached:
        token = token or settings.trading(reached.chain.chain_id).wrapped_native
        head = await reached.endpoints.block("latest")
        at = Mined(hash=head.hash)
        owner = await owner_of(vault, reached, head)
        held = read_one(balance_of(token, vault), uint)
        try:
            balance_raw = await run(held, at, reached.world)
        except Broken as error:
            raise ConfigError(f"--token: {checksum(token)} is no token: {error}") from None
        (name,) = await run(said((token,)), at, reached.world)
        if balance_raw == 0:
            raise ConfigError(f"--token: the vault {checksum(vault)} holds no {name.symbol}")
        to = to or owner
        data = VAULT.function("withdraw").encode(token, to, balance_raw)
        transactions = await unsigned(settings, reached, head, owner, (data,))
    amount = balance_raw if name.decimals is None else balance_raw / 10**name.decimals
    return Owners(
        transactions=transactions,
        told=f"moves {amount} {name.symbol} from the vault {checksum(vault)} to {checksum(to)}; "
        f"{checksum(owner)} must sign it",
    )
