"""Pretrained weights: which are on this machine, which are worth getting, and what each is good for."""
