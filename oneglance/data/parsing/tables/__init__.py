"""Tables of text: rows one by one, or many at once."""
