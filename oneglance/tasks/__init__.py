"""One file is one ``type`` of ``[tasks]``; the contract is ``task.py``."""
