"""How weights are changed: torch's optimizers, and one of our own."""
