"""How good the answers are, told honestly."""
