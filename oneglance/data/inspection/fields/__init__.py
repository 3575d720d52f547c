"""What the names of fields say, and what several fields beside each other say together."""
