"""``oneglance start``: from pictures to a scored network in one command."""
