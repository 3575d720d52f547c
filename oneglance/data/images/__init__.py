"""Pictures: references to them, archives, decoding, the cache of decoded pictures."""
