"""One file is one recipe of `oneglance init`; the contract is data/recipe.py."""
