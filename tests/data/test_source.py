"""How a [[sources]] table becomes a Source, and what all formats have in common."""

from __future__ import annotations

from pathlib import Path

import pytest

from oneglance.data.source import open_source
from oneglance.errors import ConfigError


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({}, 'needs the key "path"'),
        ({"path": "nowhere"}, "nowhere does not exist"),
        ({"path": "a.csv", "format": "tabel"}, 'has no format "tabel". Did you mean "table"?'),
        ({"path": "a.xyz"}, "nothing known reads"),
        ({"path": "a.csv", "delimiter": ",,"}, "delimiter"),
    ],
)
def test_an_impossible_table_is_one_message(tmp_path: Path, table: dict[str, str], message: str) -> None:
    for name in ("a.csv", "a.xyz"):
        (tmp_path / name).write_text("image\na.jpg\n")
    with pytest.raises(ConfigError) as error:
        open_source(table, tmp_path)
    assert message in str(error.value)


def test_paths_start_at_the_base_and_become_absolute(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "a.csv").write_text("image\na.jpg\n")
    source = open_source({"path": "sub/../sub/a.csv", "images": "."}, tmp_path)
    assert (source.path, source.images) == (tmp_path.resolve() / "sub" / "a.csv", tmp_path.resolve())
