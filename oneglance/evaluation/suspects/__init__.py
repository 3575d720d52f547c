"""Answers that are probably wrong: by networks that have not learned from them."""
