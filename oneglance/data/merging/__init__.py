"""What several sources say together of one picture."""
