"""How unfamiliar a picture is."""
