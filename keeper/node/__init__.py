"""Endpoints: JSON-RPC, and the local Anvil."""
