"""How good the answers are: scores with intervals, comparisons and their reports."""
