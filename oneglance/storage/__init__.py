"""What is kept on disk: files that are written whole, and run folders."""
