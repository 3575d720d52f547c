"""What files of boxes hold: geometry, spellings, and parts of single formats."""
