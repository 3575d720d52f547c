"""Files that lie on other machines: their addresses, and the stores that hold them."""
