"""A trained run put to work."""
