"""One run with every type of task gives the same JSON from its folder, from one file and over HTTP; the file
needs no torch.
"""

# ruff: noqa: F811 - a fixture is imported, and then the name of an argument

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from support.everything import NAMES, Made, agree, made  # noqa: F401
from support.service import service_url

# What neither `pip install oneglance` nor `pip install "oneglance[serve]"` brings along.
ABSENT: tuple[str, ...] = (
    "torch",
    "torchvision",
    "timm",
    "safetensors",
    "scipy",
    "sklearn",
    "matplotlib",
    "jinja2",
    "onnx",
)
ABSENT += ("onnxscript", "tensorboard")

Rows = list[dict[str, Any]]


@pytest.fixture(scope="module")
def pictures(made: Made, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All pictures of the run, and one that cannot be read."""
    folder = tmp_path_factory.mktemp("torn") / "images"
    shutil.copytree(made.folder / "scenes" / "images", folder)
    (folder / "~torn.png").write_bytes(next(folder.iterdir()).read_bytes()[:200])
    return folder


@pytest.fixture(scope="module")
def absent(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that stands before all others, with packages that are not there."""
    folder = tmp_path_factory.mktemp("absent")
    for name in ABSENT:
        stub = f"raise ModuleNotFoundError('there is no {name}', name={name!r})"
        (folder / f"{name}.py").write_text(stub)
    return folder


def command(words: Sequence[object], without: Path | None = None) -> subprocess.Popen[str]:
    """``oneglance WORDS`` in a process of its own. There, and in those that it starts, what the folder
    ``without`` names cannot be imported. It may take two processors, other than these tests: a service then
    has a session of its own for pictures that come alone.
    """
    script = (
        f"import sys; sys.path[:0] = {[str(without)] if without else []!r};"
        f"sys.argv = {['oneglance', *map(str, words)]!r};"
        "from oneglance.cli.commands import main; main()"
    )
    may = {**os.environ, "OMP_NUM_THREADS": "2"}
    return subprocess.Popen(
        [sys.executable, "-c", script],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        env=may,
    )


def predicted(run: Path, pictures: Path, without: Path | None = None) -> Rows:
    with command(["predict", run, pictures], without) as process:
        out, err = process.communicate(timeout=300)
    assert process.returncode == 3, err  # one of them cannot be read
    return [json.loads(line) for line in out.splitlines()]


@contextmanager
def service(run: Path, without: Path | None = None) -> Iterator[Callable[[Sequence[Path]], Rows]]:
    """A service; yields what asks it about pictures in one request."""

    def ask(paths: Sequence[Path]) -> Rows:
        head = '--edge\r\ncontent-disposition: form-data; name="pictures"; filename="{}"\r\n\r\n'
        parts = [head.format(path.name).encode() + path.read_bytes() + b"\r\n" for path in paths]
        kind = {"content-type": "multipart/form-data; boundary=edge"}
        asked = urllib.request.Request(f"{url}predict", b"".join(parts) + b"--edge--\r\n", kind)
        with urllib.request.urlopen(asked, timeout=120) as answer:
            rows: Rows = json.load(answer)["pictures"]
            return rows

    with command(["serve", run, "--port", 0], without) as process:
        try:
            assert process.stderr
            url = service_url(process.stderr)
            yield ask
        finally:
            process.terminate()
            process.communicate(timeout=60)


def served(run: Path, pictures: Path, without: Path | None = None) -> Rows:
    """All pictures in one request; and three that come alone must get the same answers."""
    paths = sorted(pictures.iterdir())
    with service(run, without) as ask:
        rows = ask(paths)
        for row in (0, 7, 31):
            agree(rows[row], ask(paths[row : row + 1])[0])
    return rows


@pytest.mark.slow  # trains, exports, and starts four processes, two of which import torch
def test_folder_file_and_service_tell_the_same(made: Made, pictures: Path, absent: Path) -> None:
    wanted = predicted(made.run, pictures)
    assert len(wanted) == 61 and wanted[-1]["error"]
    assert all(set(row["answers"]) == NAMES and "unfamiliar" in row for row in wanted[:-1])
    assert any(row["answers"]["things"]["boxes"] for row in wanted[:-1])
    for name, rows in {
        "predict model.onnx": predicted(made.file, pictures, absent),
        "serve RUN": served(made.run, pictures),
        "serve model.onnx": served(made.file, pictures, absent),
    }.items():
        assert len(rows) == len(wanted), name
        for row, one in zip(wanted, rows, strict=True):
            assert Path(one.pop("image")).name == Path(row["image"]).name, name
            agree({key: value for key, value in row.items() if key != "image"}, one)


@pytest.mark.parametrize("words", [["predict", "."], ["serve", "--port", "0"]])
def test_what_is_absent_is_absent_indeed(made: Made, absent: Path, words: list[str]) -> None:
    """A run folder cannot be opened there: the test above would see any torch that sneaks in."""
    with command([words[0], made.run, *words[1:]], absent) as process:
        _, err = process.communicate(timeout=120)
    assert process.returncode == 1 and 'pip install "oneglance[train]"' in err
