"""Which pictures to label next, and answers for a person to correct."""
