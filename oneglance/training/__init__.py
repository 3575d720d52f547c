"""How a network learns. The loop writes no file: ``session.py`` listens to it and lets ``run.py`` write."""
