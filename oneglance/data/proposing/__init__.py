"""What ``init`` proposes to read: single sources, and what several things beside each other say together."""
