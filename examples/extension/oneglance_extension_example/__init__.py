"""One member of each kind for oneglance, in a package of their own."""
