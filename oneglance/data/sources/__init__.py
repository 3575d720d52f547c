"""One file is one format of ``[[sources]]``; the contract is ``data/source.py``."""
