"""Files of pictures: what they are, how they are turned upright, and the range of their values."""
