"""A local chain with the real contracts."""
