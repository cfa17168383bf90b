"""Keys: where the operator's key comes from, and what it may sign. It is shown nowhere."""

from keeper.keys.signer import DeploymentSigner, ExecutorSigner, SigningLimits
from keeper.keys.signing_key import SigningKey

__all__ = ["DeploymentSigner", "ExecutorSigner", "SigningKey", "SigningLimits"]
