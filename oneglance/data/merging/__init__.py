"""The answers of all sources, brought together: one record per picture."""
