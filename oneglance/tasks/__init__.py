"""One file or folder is one ``type`` of ``[tasks]``; the contract is ``oneglance.task``."""
