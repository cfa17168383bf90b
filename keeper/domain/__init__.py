"""What passes between stages: exact, immutable, and ignorant of every protocol, venue and chain."""
