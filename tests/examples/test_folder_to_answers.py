"""The notebook of the examples: its script runs, and the notebook is that script with its outputs."""

from __future__ import annotations

import os
import re
import runpy
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.thorough

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "examples" / "folder_to_answers.py"
NOTEBOOK = SCRIPT.with_suffix(".ipynb")


@pytest.mark.slow  # a whole training, with an export, in a process of its own
def test_the_script_runs_from_a_folder_to_answers(tmp_path: Path) -> None:
    text = SCRIPT.read_text(encoding="utf-8")
    short, found = re.subn(r"^PICTURES, EPOCHS = .*", "PICTURES, EPOCHS = 90, 1", text, flags=re.MULTILINE)
    assert found == 1
    (tmp_path / "short.py").write_text(short, encoding="utf-8")
    environment = os.environ | {"ONEGLANCE_CACHE": str(tmp_path / "cache"), "PYTHONPATH": str(ROOT)}
    ran = subprocess.run(
        [sys.executable, "short.py"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert ran.returncode == 0, ran.stderr
    assert re.search(r"^noise: [\d.]+$", ran.stdout, re.MULTILINE)
    assert (tmp_path / "notebook" / "runs" / "scenes" / "report.html").exists()


@pytest.fixture(scope="module")
def book() -> Any:
    nbformat = pytest.importorskip("nbformat")
    return nbformat.read(NOTEBOOK, as_version=4)


def test_the_notebook_is_the_script(book: Any) -> None:
    pytest.importorskip("nbclient")
    build = runpy.run_path(str(ROOT / "docs" / "build_notebook.py"))
    wanted = [(cell.cell_type, cell.source) for cell in build["cells"](SCRIPT.read_text(encoding="utf-8"))]
    assert len(wanted) >= 15
    assert [(cell.cell_type, cell.source) for cell in book.cells] == wanted, "python docs/build_notebook.py"


def test_the_notebook_shows_a_report_and_pictures_and_asks_no_other_host(book: Any) -> None:
    outputs = [output for cell in book.cells for output in cell.get("outputs", [])]
    assert not [output for output in outputs if output.output_type == "error"]
    pages = "".join(output.get("data", {}).get("text/html", "") for output in outputs)
    assert "At a glance" in pages
    assert "data:image/" in pages
    assert re.findall(r"(?:src|href)=[\"'](?:https?:)?//", pages) == []
