"""Keys: where the operator's key comes from, and what it may sign. It is shown nowhere."""

from keeper.keys.remote_key import RemoteKey
from keeper.keys.signer import DeploymentSigner, ExecutorSigner, Key, SigningLimits
from keeper.keys.signing_key import SigningKey

__all__ = ["DeploymentSigner", "ExecutorSigner", "Key", "RemoteKey", "SigningKey", "SigningLimits"]
