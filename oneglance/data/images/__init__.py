"""From where a picture lies to its canvas."""
