"""Metrics in which each picture has a weight."""
