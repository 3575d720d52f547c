"""Many pictures decoded: in bounded processes, ahead of who needs them, or once and kept in a file."""
