"""One training by several processes, on one machine or many: each takes its share of every batch."""
