"""oneglance explain: a map for each answer, kept for whoever is stopped."""

# ruff: noqa: F811 - a fixture is imported, and then the name of an argument

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from support.user import Shell, home, shell, trained  # noqa: F401

import oneglance
from oneglance.data.images.decode import Limits
from oneglance.data.record import ImageRef
from oneglance.errors import ConfigError
from oneglance.inference.explanation import heat_drawing
from oneglance.inference.explanation.explainer import Explanation
from oneglance.progress import Screen


def test_each_answer_has_a_map(home: Path, shell: Shell) -> None:
    pictures = sorted((home / "scenes/images").iterdir())[:2]
    asked = ["explain", "runs/a", *pictures, "--out", "maps", "--json"]
    entries = json.loads((response := shell(*asked)).out)["pictures"]
    assert response.code == 0, response.err
    answers = {answer.image: answer for answer in oneglance.predict("runs/a", pictures, screen=Screen())}
    for picture in pictures:
        own = [entry for entry in entries if entry["image"] == str(picture)]
        said = answers[str(picture)].in_words()
        for task in ("digit", "background", "covered"):
            (entry,) = [one for one in own if one["task"] == task]
            assert entry["answer"] == said[task]
        tags = [one["answer"].partition(" (")[0] for one in own if one["task"] == "shapes"]
        assert tags == answers[str(picture)].answers["shapes"]["values"]
    assert len({entry["map"] for entry in entries}) == len(entries)
    for entry in entries:
        assert entry["method"] == "gradient"
        with Image.open(entry["map"]) as image:
            pixels = np.asarray(image.convert("RGB")).astype(int)
        assert image.width == 320
        assert np.ptp(pixels[:320], axis=2).max() > 60, "nothing is warm"


def test_what_is_there_is_not_made_again(home: Path, shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = sorted((home / "scenes/images").iterdir())[:2]
    one = json.loads(shell("explain", "runs/a", first, "--out", "maps", "--json").out)["pictures"]
    made: list[str] = []
    drawn = heat_drawing.drawn

    def noted(one: Explanation, ref: ImageRef, limits: Limits) -> Image.Image:
        made.append(ref.name)
        return drawn(one, ref, limits)

    monkeypatch.setattr("oneglance.inference.explanation.explain.drawn", noted)
    both = json.loads(shell("explain", "runs/a", first, second, "--out", "maps", "--json").out)["pictures"]
    assert both[: len(one)] == one and set(made) == {str(second)}
    Path(one[0]["map"]).unlink()
    with (home / "maps/explain.jsonl").open("a") as file:
        file.write('{"picture": "cut sh')
    Image.new("RGB", (32, 32)).save(second)  # another picture now
    made.clear()
    again = shell("explain", "runs/a", first, second, "--out", "maps", "--json")
    assert again.code == 0 and set(made) == {str(first), str(second)}
    assert Path(one[0]["map"]).is_file()


def test_maps_of_something_else_are_not_mixed_in(home: Path, shell: Shell) -> None:
    picture = next((home / "scenes/images").iterdir())
    assert shell("explain", "runs/a", picture, "--out", "maps", "--task", "digit").code == 0
    message = shell("explain", "runs/a", picture, "--out", "maps", "--task", "covered").refused()
    assert "maps" in message and "name a new folder" in message


def test_broken_pictures_are_named(home: Path, shell: Shell) -> None:
    picture = sorted((home / "scenes/images").iterdir())[0]
    (home / "torn.png").write_bytes(picture.read_bytes()[:100])
    response = shell("explain", "runs/a", "torn.png", picture, "--out", "maps", "--task", "digit", "--json")
    assert response.code == 3 and "torn.png  is cut short" in response.err
    broken, whole = json.loads(response.out)["pictures"]
    assert broken == {"image": "torn.png", "error": "is cut short"} and whole["task"] == "digit"


@pytest.mark.parametrize(
    ("how", "message"),
    [({"method": "magic"}, "is no method"), ({"tasks": ["digits"]}, 'Did you mean "digit"')],
)
def test_what_cannot_be_asked_is_refused(trained: Path, how: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        oneglance.explain(trained / "runs" / "a", np.zeros((8, 8, 3), np.uint8), screen=Screen(), **how)


def test_maps_stay_in_memory_for_a_notebook(trained: Path) -> None:
    picture = np.full((40, 90, 3), 200, np.uint8)
    result = oneglance.load(trained / "runs" / "a").explain(
        [picture, b"none"], tasks=["digit"], screen=Screen()
    )
    assert [sorted(entry) for entry in result.pictures] == [
        ["answer", "image", "method", "task"],
        ["error", "image"],
    ]
    assert result.draw().size == (320, result.draw().height) and "1 maps of 2 pictures" in result.headline()
    page = result._repr_html_()
    assert page.count("<img") == 1 and "http" not in page
    with pytest.raises(LookupError):
        result.draw(1)
