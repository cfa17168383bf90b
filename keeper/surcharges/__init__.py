"""Surcharges: what rollups take for a transaction beside its gas, for publishing its data. One module each.

Each is read with the head, so that a plan's cost needs no further question. What a transaction's data
compresses to is known only once it is written: so each tells a line over its size that is not below the fee.
"""
