"""What the names of folders say: splits, and what is no data."""
