"""``python -m oneglance`` is the command ``oneglance``. Ctrl-C at any moment is one word and exit 130."""

import os
import signal
import sys


def main() -> None:
    """The entry point. What it imports takes a while, in which somebody may think again."""
    try:
        from oneglance.cli.commands import main as command

        command()
    except KeyboardInterrupt:
        os.write(2, b"stopped\n")  # the stream may be in the midst of something
        sys.exit(130)
    finally:
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # nothing is left to do but to end


if __name__ == "__main__":
    main()
