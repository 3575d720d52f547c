"""One file = one way to run a network."""
