"""Shards of ``predict``: the answers of each in a file of its own, and all of them in one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.boxed import boxed, trained_boxes  # noqa: F401
from support.user import Shell, home, shell, trained  # noqa: F401

from oneglance.errors import ConfigError
from oneglance.inference.shards.shard import Note, Shard, note_path


@given(count=st.integers(0, 3000), shards=st.integers(1, 40))
def test_every_picture_is_in_one_shard_and_in_order(count: int, shards: int) -> None:
    refs: list[Any] = list(range(count))
    parts = [Shard(number, shards).of(refs) for number in range(1, shards + 1)]
    assert [ref for part in parts for ref in part] == refs
    assert all(len(part) % 64 == 0 for part in parts if part and part[-1] != refs[-1])


@pytest.mark.parametrize("text", ["0/3", "4/3", "3", "a/b", "1/0", "-1/2", ""])
def test_what_is_no_shard_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="3/16 is the third of sixteen"):
        Shard.parse(text)


@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet", "json"])
def test_shards_together_are_the_bytes_of_one_process(
    boxed: Path,  # noqa: F811
    shell: Shell,  # noqa: F811
    ending: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for module in ("prediction_files", "shards.merge"):
        monkeypatch.setattr(f"oneglance.inference.{module}.ROWS", 50)
    (boxed / "scenes/images/broken.png").write_bytes(b"no picture")
    words = ["predict", "runs/a", "scenes/images", "--out"]
    assert shell(*words, f"whole.{ending}").code == 3
    codes = {shell(*words, f"answers.{ending}", "--shard", f"{number}/3").code for number in (2, 1, 3)}
    assert codes == {0, 3}
    merged = shell("merge", f"answers.{ending}")
    assert merged.code == 0 and "from 3 shards" in merged.out
    assert (boxed / f"answers.{ending}").read_bytes() == (boxed / f"whole.{ending}").read_bytes()


def test_a_shard_that_is_there_is_not_answered_again(home: Path, shell: Shell) -> None:  # noqa: F811
    words = ["predict", "runs/a", "scenes/images", "--out", "answers.csv", "--shard"]
    assert shell(*words, "1/1").code == 0
    part = home / "answers.1-of-1.csv"
    part.write_bytes(b"kept")
    assert "answered already" in shell(*words, "1/1").err and part.read_bytes() == b"kept"
    note_path(part).write_text("{")  # killed between the two files, or damaged
    assert shell(*words, "1/1").code == 0 and part.read_bytes() != b"kept"
    assert shell(*words, "1/1", "--false-alarm", "0.2").err == ""  # another question


def test_what_does_not_belong_together_is_not_merged(home: Path, shell: Shell) -> None:  # noqa: F811
    assert "has no shards beside it" in shell("merge", "answers.csv").refused()
    words = ["predict", "runs/a", "scenes/images", "--out", "answers.csv", "--shard"]
    assert shell(*words, "2/2").code == 0
    assert "misses the shards 1/2" in shell("merge", "answers.csv").refused()
    assert shell(*words, "1/2", "--false-alarm", "0.2").code == 0
    assert "different networks, pictures or settings" in shell("merge", "answers.csv").refused()
    note_path(home / "answers.1-of-2.csv").unlink()
    assert "answer this shard again" in shell("merge", "answers.csv").refused()
    assert Note.read(home / "answers.1-of-2.csv") is None
    assert shell(*words, "1/3").code == 0
    assert "has shards of 2 and of 3" in shell("merge", "answers.csv").refused()
    assert shell("predict", "runs/a", "scenes/images", "--shard", "1/2").refused()
    assert not (home / "answers.csv").exists()
