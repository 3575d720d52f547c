"""Joint training against everything else."""
