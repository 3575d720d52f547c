"""``predict --ray``: the file of one process, by actors of a cluster."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from support.boxed import boxed, trained_boxes  # noqa: F401
from support.ray_nodes import heard_elsewhere, two_nodes
from support.user import Shell, shell  # noqa: F401

from oneglance.errors import ConfigError, RunError
from oneglance.inference.shards import on_ray
from oneglance.inference.shards.on_ray import Answered, Answerer, RayPrediction, Stretch
from oneglance.parallel.ray_cluster import Share, share_of
from oneglance.storage.plain_files import exists, names_in, read_plain

WORDS = ("predict", "runs/a", "scenes/images", "--out")


@pytest.fixture
def many(boxed: Path) -> Path:  # noqa: F811
    """150 pictures, of which one cannot be read."""
    images = boxed / "scenes/images"
    for path in sorted(images.glob("*.png"))[:37]:
        for number in range(3):
            (images / f"{number} {path.name}").write_bytes(path.read_bytes())
    (images / "1 broken.png").write_bytes(b"no picture")
    return boxed


@pytest.fixture
def in_process(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Actors are called right here, with one batch each, in another order; what they were given."""
    given: list[int] = []

    def answered(self: RayPrediction, left: Sequence[Stretch]) -> Iterator[Answered]:
        answerer = Answerer(self._order(Share(1, 0, 2)))
        for one in reversed(left):
            given.append(one.number)
            yield answerer({"stretch": one})["answered"]

    monkeypatch.setattr(RayPrediction, "_answered", answered)
    monkeypatch.setattr(on_ray, "STRETCH", 64)
    return given


@pytest.mark.slow  # a cluster starts, and actors import torch
@pytest.mark.parametrize("ending", ["parquet", "json"])  # of the others: test_merge.py
def test_the_bytes_of_one_process(
    many: Path,
    shell: Shell,  # noqa: F811
    in_process: list[int],
    ending: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for module in ("prediction_files", "shards.merge"):
        monkeypatch.setattr(f"oneglance.inference.{module}.ROWS", 50)
    whole = shell(*WORDS, f"whole.{ending}")
    said = shell(*WORDS, f"answers.{ending}", "--ray")
    assert said.code == whole.code == 3 and said.err == whole.err != ""
    assert in_process == [2, 1, 0]
    assert (many / f"answers.{ending}").read_bytes() == (many / f"whole.{ending}").read_bytes()
    assert not (many / f"answers.{ending}.parts").exists()


@pytest.mark.slow  # a cluster starts, and actors import torch
def test_what_was_answered_before_a_kill_is_kept(
    many: Path,
    shell: Shell,  # noqa: F811
    in_process: list[int],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with monkeypatch.context() as patch:
        inner = RayPrediction._answered

        def killed(self: RayPrediction, left: Sequence[Stretch]) -> Iterator[Answered]:
            for done, one in enumerate(inner(self, left)):
                if done == 2:
                    raise RunError("killed")
                yield one

        patch.setattr(RayPrediction, "_answered", killed)
        assert shell(*WORDS, "answers.csv", "--ray").code == 1
    assert not (many / "answers.csv").exists()
    in_process.clear()
    again = shell(*WORDS, "answers.csv", "--ray")
    assert again.code == 3 and "1 broken.png" in again.err  # which an earlier part holds
    assert in_process == [0]
    in_process.clear()
    assert shell(*WORDS, "answers.csv", "--ray", "--false-alarm", "0.2").code == 3
    assert in_process == [2, 1, 0]


@pytest.mark.slow  # a cluster starts, and actors import torch
def test_a_file_in_a_store(many: Path, shell: Shell, in_process: list[int]) -> None:  # noqa: F811
    shell(*WORDS, "whole.csv")
    assert shell(*WORDS, "memory://ray/answers.csv", "--ray").code == 3
    assert read_plain("memory://ray/answers.csv", 10**7) == (many / "whole.csv").read_bytes()
    assert not exists("memory://ray/answers.csv.parts/answers.1-of-3.csv")
    assert [path.name for path in names_in("memory://ray") if path.suffix == ".csv"] == ["answers.csv"]


@pytest.mark.slow  # a cluster starts, and actors import torch
def test_what_an_actor_refuses_is_the_message(
    many: Path,
    shell: Shell,  # noqa: F811
    in_process: list[int],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    answerer = Answerer(RayPrediction("runs/a", [], many / "a.csv", "cpu", None)._order(Share(1, 0, 1)))
    monkeypatch.setattr("oneglance.parallel.ray_cluster.version", lambda name: "0.0.2")
    refused = answerer({"stretch": Stretch(0, [])})["answered"].refused
    assert "a machine of the cluster has oneglance 0.0.2" in str(refused)


@pytest.mark.parametrize(
    ("more", "what"),
    [
        ((), "add --out"),
        (("--out", "a.csv", "--shard", "1/2"), "leave --shard out"),
        (("--out", "a.csv", "--draw", "d"), "leave --draw out"),
        (("--out", "a.txt"), 'the ending ".txt"'),
    ],
)
def test_what_cannot_be(boxed: Path, shell: Shell, more: Sequence[str], what: str) -> None:  # noqa: F811
    assert what in shell("predict", "runs/a", "scenes/images", "--ray", *more).refused()


def test_the_extra_is_named(
    boxed: Path,  # noqa: F811
    shell: Shell,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    said = shell(*WORDS, "answers.csv", "--ray").refused()
    assert said == 'predict --ray needs the package ray — pip install "oneglance[ray]"'


@pytest.mark.parametrize(
    ("nodes", "device", "passes", "share"),
    [
        ([{"CPU": 8.0}, {"CPU": 4.0}, {"memory": 1.0}], "auto", 4, Share(4, 0, 3)),
        ([{"CPU": 2.0}, {"CPU": 1.0}], "cpu", 4, Share(2, 0, 1)),
        ([{"CPU": 16.0, "GPU": 4.0}, {"CPU": 8.0}], "auto", 4, Share(4, 1, 4)),
        ([{"CPU": 16.0, "GPU": 4.0}, {"CPU": 8.0}], "cpu", 8, Share(8, 0, 3)),
    ],
)
def test_how_actors_share_a_cluster(nodes: Any, device: str, passes: int, share: Share) -> None:
    ray = SimpleNamespace(nodes=lambda: [{"Alive": True, "Resources": each} for each in nodes])
    assert share_of(ray, device, passes) == share


def test_a_cluster_with_nothing() -> None:
    ray = SimpleNamespace(nodes=lambda: [{"Alive": True, "Resources": {}}, {"Alive": False, "Resources": {}}])
    with pytest.raises(ConfigError, match="has no processors"):
        share_of(ray, "auto", 2)
    with pytest.raises(ConfigError, match="has no GPU"):
        share_of(ray, "cuda", 2)


@pytest.mark.skipif(find_spec("ray") is None, reason='needs Ray: pip install "oneglance[ray]"')
@pytest.mark.slow  # a cluster of two nodes starts, and two actors import torch: 25 s on a quiet machine
def test_a_cluster_of_two_machines(many: Path, shell: Shell, tmp_path_factory: Any) -> None:  # noqa: F811
    for path in sorted((many / "scenes/images").glob("[012]*.png")):
        path.with_name(f"more {path.name}").write_bytes(path.read_bytes())
    assert shell(*WORDS, "whole.csv").code == 3
    words = [sys.executable, "-m", "oneglance", *WORDS, "answers.csv", "--ray"]
    with two_nodes(tmp_path_factory.mktemp("r")) as environment:
        stranger = [*words[:-2], "stolen.csv", "--ray"]
        other_token = environment | {"RAY_AUTH_TOKEN": "f" * 64}
        with subprocess.Popen(stranger, env=other_token, stderr=subprocess.PIPE, text=True) as refused:
            asked = subprocess.run(words, env=environment, capture_output=True, text=True)
            assert heard_elsewhere() == []
            message = refused.communicate()[1].splitlines()[-1]
    assert refused.returncode == 1 and "the Ray cluster cannot be used (" in message
    assert not (many / "stolen.csv").exists()
    assert asked.returncode == 3
    assert asked.stdout == "" and asked.stderr.count("\n") == 2 and "1 broken.png  " in asked.stderr
    assert (many / "answers.csv").read_bytes() == (many / "whole.csv").read_bytes()
