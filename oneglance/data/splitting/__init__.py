"""Training, validation and test."""
