"""One file is one ``name`` of ``[backbone]``; ``timm.py`` makes all others; contract: ``backbone.py``."""
