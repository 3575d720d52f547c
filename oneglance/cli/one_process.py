"""What ``launch`` starts: ``python -m oneglance.cli.one_process '{...}'``."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import oneglance
from oneglance.errors import OneglanceError
from oneglance.training.distributed.launch import LOST
from oneglance.training.distributed.process_group import NUMBER, ConnectionLostError


def main() -> None:
    """Train, and leave an error as JSON where the launcher reads it."""
    order = json.loads(sys.argv[1])
    outcome = Path(order.pop("outcome")) / f"outcome-{os.environ[NUMBER]}.json"
    try:
        oneglance.train(**order)
    except OneglanceError as error:
        kind = LOST if isinstance(error, ConnectionLostError) else type(error).__name__
        kept = {"kind": kind, "what": error.what, "location": error.location, "hint": error.hint}
        outcome.write_text(json.dumps(kept), encoding="utf-8")
        sys.exit(1)


if __name__ == "__main__":
    main()
