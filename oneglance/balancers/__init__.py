"""One file is one ``balancer`` of ``[training]``; the contract is ``balancer.py``."""
