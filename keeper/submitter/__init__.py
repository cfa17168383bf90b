"""Submitter: what happens to a transaction from its nonce to its one outcome. Decides; sends nothing."""
