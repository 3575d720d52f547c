"""Work spread over processes and processors."""
