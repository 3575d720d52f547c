"""Answers that can be told without looking: from the size of a file, its camera, its border."""
