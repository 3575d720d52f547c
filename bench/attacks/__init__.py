"""What is attacked, a file per kind: see ``bench/attack.py`` for what each of them has."""
