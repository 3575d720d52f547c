"""One file is one ``type`` of ``[tasks]``; the contract is ``oneglance.task``."""
