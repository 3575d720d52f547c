"""Where progress is shown: a terminal or a notebook."""
