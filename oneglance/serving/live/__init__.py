"""A training, looked at while it goes on."""
