"""Pages of HTML, in one file each."""
