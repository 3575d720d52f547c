"""A run is called after its data, so that nothing has to be guessed where commands are copied."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from oneglance.config import Config
from oneglance.storage.run_lookup import run_name

FILES = (
    "photos.tar",
    "labels.csv",
    "scenes/labels.csv",
    "raccoon/images/annotations/a.csv",
    "my photos/a.jpg",
)


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ({"path": "my photos"}, "my photos"),
        ({"path": "labels.csv", "images": "my photos"}, "my photos"),
        ({"path": "labels.csv"}, "labels"),
        ({"path": "scenes/labels.csv"}, "scenes"),
        ({"path": "raccoon/images"}, "raccoon"),
        ({"path": "raccoon/images/annotations/a.csv"}, "raccoon"),
        ({"path": "photos.tar"}, "photos"),
        ({"path": "../work/scenes"}, "scenes"),
        ({"path": "."}, "work"),
    ],
)
def test_a_run_is_called_after_its_data(source: dict[str, Any], name: str, tmp_path: Path) -> None:
    base = tmp_path / "work"
    for file in FILES:
        (base / file).parent.mkdir(parents=True, exist_ok=True)
        (base / file).touch()
    tables = {"sources": [source], "tasks": {"kind": {"type": "label"}}}
    plain = Config.model_validate(tables).model_copy(update={"base": base, "file": "oneglance.toml"})
    assert run_name(plain) == name
    assert run_name(plain.model_copy(update={"file": "hats.toml"})) == "hats"
