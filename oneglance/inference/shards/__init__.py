"""Many pictures answered by many processes, each a shard of them, and their files put together."""
