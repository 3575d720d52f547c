"""How a network learns. The loop writes no file: ``trainer.py`` listens to it, and the run folder writes."""
