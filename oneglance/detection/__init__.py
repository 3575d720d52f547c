"""A dense detector: what the boxes task is made of."""
