"""Learning from finished networks that answer the same questions."""
