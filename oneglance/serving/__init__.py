"""A trained network behind HTTP, and a page for people."""
