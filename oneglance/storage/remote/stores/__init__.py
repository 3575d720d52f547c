"""One file is one kind of store; the contract is storage/remote/store.py."""
