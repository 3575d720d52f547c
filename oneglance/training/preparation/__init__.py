"""What happens before the first step of a training."""
