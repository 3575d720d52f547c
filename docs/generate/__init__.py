"""Pages of the site that are made from the code and the examples, so that they cannot drift from them."""
