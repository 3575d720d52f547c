"""Worker processes, and how many processors there are for them."""
