"""Each command by itself: how it is explained, what it takes, and what it runs."""
