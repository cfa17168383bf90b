"""JSON-RPC over one kept-alive connection, blocking: for tests, the devnet and its set-up.

Knows no retry and no failing over: what talks to a node that may fail is the keeper's own endpoint.
"""

from __future__ import annotations

import http.client
import json
import threading
from collections.abc import Sequence
from typing import Any, Self
from urllib.parse import urlsplit

from keeper.domain.errors import KeeperError


class RpcError(KeeperError):
    """The node refused a request. `data` is what it said beside the message, such as a revert's bytes."""

    def __init__(self, method: str, *, code: int, message: str, data: object = None) -> None:
        super().__init__(f"{method}: {message} ({code})")
        self.method = method
        self.code = code
        self.message = message
        self.data = data


class BlockingRpc:
    """One connection to one node. Threads may share it; they take turns."""

    def __init__(self, url: str, *, timeout_s: float = 60.0) -> None:
        parts = urlsplit(url)
        if parts.scheme != "http" or parts.hostname is None:
            raise ValueError("expected http://host:port")
        self._connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=timeout_s)
        self._path = parts.path or "/"
        self._turn = threading.Lock()

    def __call__(self, method: str, *params: object) -> Any:
        """Return the result of one request. Raises RpcError where the node refuses it."""
        return _result(method, self._post({"jsonrpc": "2.0", "id": 0, "method": method, "params": params}))

    def batch(self, requests: Sequence[tuple[str, Sequence[object]]]) -> list[Any]:
        """Return the results of these requests, sent as one batch, in their order."""
        if not requests:
            return []
        replies = self._post(
            [{"jsonrpc": "2.0", "id": i, "method": m, "params": p} for i, (m, p) in enumerate(requests)]
        )
        replies.sort(key=lambda reply: reply["id"])
        return [_result(method, reply) for (method, _), reply in zip(requests, replies, strict=True)]

    def close(self) -> None:
        """Close the connection. A later request opens another."""
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _post(self, body: object) -> Any:
        payload = json.dumps(body).encode()
        with self._turn:
            try:
                self._connection.request("POST", self._path, payload, {"Content-Type": "application/json"})
                return json.loads(self._connection.getresponse().read())
            except BaseException:
                self._connection.close()  # half a reply may be left in it
                raise


def _result(method: str, reply: dict[str, Any]) -> Any:
    if "error" in reply:
        error = reply["error"]
        raise RpcError(method, code=error["code"], message=error["message"], data=error.get("data"))
    return reply["result"]
