"""Which parts of a picture an answer rests on, as maps over its pixels."""
