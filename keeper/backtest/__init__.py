"""Backtest: the keeper's own rooms over blocks that are past, from an archive or from a tape."""
