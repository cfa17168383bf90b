"""The drill: a keeper that runs for real, and all that can go wrong around it, at random and for long."""
