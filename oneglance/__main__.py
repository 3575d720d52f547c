"""``python -m oneglance`` is the command ``oneglance``."""

from oneglance.cli.commands import main

main()
