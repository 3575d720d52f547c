"""One file is one format that ``convert`` writes; the contract is ``data/writer.py``."""
