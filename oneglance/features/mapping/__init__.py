"""From features to a map of pictures on a page."""
