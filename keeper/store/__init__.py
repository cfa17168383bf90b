"""Store: the journal on disk, and the lock that keeps a second keeper out."""
