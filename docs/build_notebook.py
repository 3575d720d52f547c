"""examples/folder_to_answers.ipynb out of the script beside it: python docs/build_notebook.py

Cells begin with ``# %%``, those of text with ``# %% [markdown]``. It runs in a folder of its own, so that no
path of this machine comes in. Needs the group dev, and some two minutes.
"""

from __future__ import annotations

import os
import re
import tempfile
from pathlib import Path
from typing import Any

import nbclient
import nbformat as untyped

nbformat: Any = untyped  # its functions have no types

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
SCRIPT, NOTEBOOK = EXAMPLES / "folder_to_answers.py", EXAMPLES / "folder_to_answers.ipynb"


def cells(script: str) -> list[Any]:
    """The cells of a script, numbered, so that the same script gives the same notebook."""
    found = []
    for number, part in enumerate(re.split(r"^# %%", script, flags=re.MULTILINE)[1:]):
        kind, _, text = part.partition("\n")
        if "[markdown]" in kind:
            lines = [re.sub("^# ?", "", line) for line in text.strip().splitlines()]
            cell = nbformat.v4.new_markdown_cell("\n".join(lines))
        else:
            cell = nbformat.v4.new_code_cell(text.strip())
        cell["id"] = f"cell-{number}"
        found.append(cell)
    return found


def executed(script: str, folder: Path) -> Any:
    """The notebook with its outputs; it runs in ``folder``."""
    book = nbformat.v4.new_notebook(cells=cells(script))
    book.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbclient.NotebookClient(book, timeout=900, resources={"metadata": {"path": str(folder)}}).execute()
    for cell in book.cells:
        cell.metadata.pop("execution", None)  # when it ran is of no interest
    return book


def main() -> None:
    os.environ.setdefault("ONEGLANCE_CACHE", tempfile.mkdtemp())
    with tempfile.TemporaryDirectory() as folder:
        book = executed(SCRIPT.read_text(encoding="utf-8"), Path(folder))
    text = nbformat.writes(book)
    if (place := re.search(r"/(?:tmp|home|root|work)/[^\s\"'<\\]*", text)) is not None:
        raise SystemExit(f"the notebook names a place of this machine: {place[0]}")
    NOTEBOOK.write_text(text + "\n", encoding="utf-8")
    print(f"wrote {NOTEBOOK.name}: {len(text):,} characters")


if __name__ == "__main__":
    main()
