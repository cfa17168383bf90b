"""A keeper of lending protocols: it watches, decides how much is worth closing, and lands it."""

__version__ = "0.1.0"
