"""[training] teachers, from the configuration to the finished run."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from support import squares
from support.toy import CONFIG, begin, go_on, targets_of, train, world

from oneglance import config as configuration
from oneglance.errors import ConfigError, DataError, OneglanceError, RunError
from oneglance.evaluation.comparison.variants import variant
from oneglance.inference.predictor import Predictor
from oneglance.storage.run_folder import RunFolder
from oneglance.task import Task
from oneglance.training.preparation.early_checks import refuse_impossible
from oneglance.training.teaching.soft_targets import loss_of, split
from oneglance.training.trainer import Trainer


@pytest.fixture(scope="module")
def teacher(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of all four tasks; nobody changes it."""
    folder = tmp_path_factory.mktemp("teacher") / "all"
    train(folder, "training.epochs=6", "training.seed=3")
    return folder


def taught(folder: Path, *teachers: Path, text: str = CONFIG, more: tuple[str, ...] = ()) -> Trainer:
    paths = ", ".join(f'"{path}"' for path in teachers)
    return begin(folder, f"training.teachers=[{paths}]", *more, text=text)


def only(*names: str, **rename: str) -> str:
    """The configuration with some of its tasks, each perhaps under another name."""
    head, *tables = CONFIG.split("[tasks.")
    last, _, rest = tables[-1].partition("\n[")
    tables[-1] = last + "\n"
    kept = [table for table in tables if table.split("]")[0] in names]
    for old, new in rename.items():
        kept = [table.replace(f"{old}]", f"{new}]", 1) for table in kept]
    return head + "".join("[tasks." + table for table in kept) + "\n[" + rest


def targets(trainer: Trainer, name: str) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
    return split(targets_of(trainer)[name])


def test_every_picture_is_taught_as_its_teacher_answers(teacher: Path, tmp_path: Path) -> None:
    trainer = taught(tmp_path / "run", teacher)
    pixels, _ = world()
    network = Predictor.open(RunFolder.open(teacher), device="cpu", precision="fp32")
    raw = network.forward(pixels.gather(trainer.training.rows)).raw
    task = network.tasks["weight"]
    own, soft = targets(trainer, "weight")
    assert len(soft["value"]) == len(own["value"]) == len(trainer.training.rows)
    units = [one["value"] for one in task.decode(raw["weight"])]
    expected = trainer.tasks["weight"].encode(units)["value"]
    np.testing.assert_allclose(soft["value"].numpy(), expected, atol=1e-5)
    assert float(soft["trust"].min()) > 0


def test_what_people_say_counts_more_than_what_a_teacher_says(teacher: Path, tmp_path: Path) -> None:
    trainer = taught(tmp_path / "run", teacher)
    task, target = trainer.tasks["weight"], targets_of(trainer)["weight"]
    own, soft = split(target)
    raw = own["value"][:, None].clone()  # where somebody answered, exactly as people say
    loss, weight = loss_of(task, raw, target, None, 0.25)
    hard, labelled = task.loss(raw, own)
    by_teacher, trust = task.teach(raw, soft)
    known = labelled > 0
    assert 0 < int(known.sum()) < len(known)
    torch.testing.assert_close((loss * weight)[known], (0.25 * trust * by_teacher)[known])
    torch.testing.assert_close((loss * weight)[~known], (trust * by_teacher)[~known])
    torch.testing.assert_close(weight[known], torch.ones_like(weight[known]))
    assert float(hard[known].abs().max()) == 0


@pytest.mark.parametrize(("key", "share"), [((), 0.0), (("training.teacher_weight=0.25",), 0.25)])
def test_a_known_number_is_learned_as_it_is_unless_it_is_said_otherwise(
    teacher: Path, tmp_path: Path, key: tuple[str, ...], share: float
) -> None:
    trainer = taught(tmp_path / "run", teacher, more=key)
    task, target = trainer.tasks["weight"], targets_of(trainer)["weight"]
    count = len(target["value"])
    raw = {name: torch.randn(count, len(one.constant_raw()[0])) for name, one in trainer.tasks.items()}
    learner = trainer.learner
    learner.loss_scales = torch.ones(len(trainer.tasks))
    mean = learner.losses(raw, targets_of(trainer), None)[0][list(trainer.tasks).index("weight")]
    loss, weight = loss_of(task, raw["weight"], target, None, share)
    torch.testing.assert_close(mean, (loss * weight).sum() / weight.sum())


@pytest.mark.parametrize("balancer", ["equal", "fairgrad", "famo"])
def test_it_learns_with_every_kind_of_balancer_and_in_parts(
    teacher: Path, tmp_path: Path, balancer: str
) -> None:
    trainer = taught(tmp_path / "run", teacher, more=(f'training.balancer="{balancer}"', "training.epochs=1"))
    trainer.learner.parts = 2
    trainer.run()
    assert RunFolder.open(tmp_path / "run").finished


def test_a_teacher_of_one_task_leaves_the_others_alone(tmp_path: Path) -> None:
    train(tmp_path / "kind", text=only("kind"))
    trainer = taught(tmp_path / "run", tmp_path / "kind")
    assert targets(trainer, "kind")[1] and not targets(trainer, "weight")[1]


def test_a_training_of_some_tasks_keeps_the_teachers_of_these(teacher: Path, tmp_path: Path) -> None:
    train(tmp_path / "kind", text=only("kind"))
    given = f'training.teachers=["{tmp_path / "kind"}"]'
    config = configuration.parse(CONFIG, base=tmp_path, overrides=given)
    assert variant(config, 0, 1, tasks=["kind"]).training.teachers == [str(tmp_path / "kind")]
    assert variant(config, 0, 1, tasks=["weight"]).training.teachers == []


def test_it_goes_on_as_if_nothing_had_happened(teacher: Path, tmp_path: Path) -> None:
    whole = taught(tmp_path / "whole", teacher)
    whole.run()
    stopped = taught(tmp_path / "stopped", teacher)
    stopped.run(until=1)
    again = go_on(tmp_path / "stopped")
    again.run()
    for one, other in zip(
        whole.learner.average.parameters(), again.learner.average.parameters(), strict=True
    ):
        assert torch.equal(one, other)


def test_a_teacher_is_asked_once(teacher: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    taught(tmp_path / "run", teacher)
    monkeypatch.setattr(Predictor, "forward", None)  # it would be called
    go_on(tmp_path / "run")


def test_what_was_opened_to_look_at_it_is_not_opened_again(
    teacher: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = f'training.teachers=["{teacher}"]'
    finished = refuse_impossible(configuration.parse(CONFIG, base=tmp_path, overrides=given))
    assert finished is not None and [one.title for one in finished.teachers] == [str(teacher)]
    monkeypatch.setattr(Predictor, "open", None)  # it would be called
    trained = begin(tmp_path / "run", given, finished=finished)
    assert targets(trained, "kind")[1]


def test_a_pass_that_was_stopped_goes_on(
    teacher: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("oneglance.training.teaching.stored_answers.PICTURES", 10)
    whole = taught(tmp_path / "run", teacher)
    parts = sorted((tmp_path / "run/teachers").glob("*.safetensors"))
    assert len(parts) == 3
    parts[1].unlink()
    rows: list[int] = []
    forward = Predictor.forward

    def counted(self: Predictor, canvases: np.ndarray) -> Any:
        rows.append(len(canvases))
        return forward(self, canvases)

    monkeypatch.setattr(Predictor, "forward", counted)
    again = go_on(tmp_path / "run")
    assert sum(rows) == 10
    for name, value in targets_of(whole)["kind"].items():
        assert torch.equal(value, targets_of(again)["kind"][name])


def test_a_joint_run_answers_for_its_own_successor_what_nobody_did(teacher: Path, tmp_path: Path) -> None:
    """The cheapest teacher: the same tasks and pictures, of which each knows a part of the answers."""
    trainer = taught(tmp_path / "again", teacher, more=(f"training.from={teacher}", "training.epochs=1"))
    for name, task in trainer.tasks.items():
        target = targets_of(trainer)[name]
        raw = torch.as_tensor(task.constant_raw()).expand(len(trainer.training.rows), -1)
        known, both = task.loss(raw, split(target)[0])[1], loss_of(task, raw, target, None, 0.5)[1]
        known, both = (weight.reshape(len(raw), -1).amax(dim=1) > 0 for weight in (known, both))
        assert 0 < int(known.sum()) < len(raw) and both.all(), name
    trainer.run()
    assert RunFolder.open(tmp_path / "again").finished


# Asked in every step.

SAME = ('training.teacher_views="same"',)


def test_a_teacher_sees_what_the_network_sees(
    teacher: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer = taught(tmp_path / "run", teacher, more=SAME)
    assert not split(targets_of(trainer)["kind"])[1]
    seen: dict[str, Any] = {}
    forward, losses = Predictor.forward, type(trainer.learner).losses

    def ask(self: Predictor, canvases: np.ndarray) -> Any:
        seen["canvases"] = canvases
        return forward(self, canvases)

    def lost(self: Any, raw: Any, targets: Any, mix: Any) -> Any:
        seen["targets"], seen["mix"] = targets, mix
        return losses(self, raw, targets, mix)

    monkeypatch.setattr(Predictor, "forward", ask)
    monkeypatch.setattr(type(trainer.learner), "losses", lost)
    batch = next(trainer.loaders[0].shuffled(0, 0))
    trainer.learner.update(batch, 10)
    plain = batch.pictures.permute(0, 2, 3, 1).numpy()
    assert seen["canvases"].shape == plain.shape and not np.array_equal(seen["canvases"], plain)
    monkeypatch.undo()
    network = Predictor.open(RunFolder.open(teacher), device="cpu", precision="fp32")
    expected = network.tasks["kind"].soft_target(  # type: ignore[attr-defined]
        network.forward(seen["canvases"]).raw["kind"], network.tasks["kind"]
    )
    soft = split(seen["targets"]["kind"])[1]
    np.testing.assert_allclose(soft["chances"].numpy(), expected["chances"], atol=1e-5)


def test_it_trains_resumes_and_is_timed_with_them(teacher: Path, tmp_path: Path) -> None:
    whole = taught(tmp_path / "whole", teacher, more=SAME)
    whole.run()
    taught(tmp_path / "stopped", teacher, more=SAME).run(until=1)
    again = go_on(tmp_path / "stopped")
    again.run()
    for one, other in zip(
        whole.learner.average.parameters(), again.learner.average.parameters(), strict=True
    ):
        assert torch.equal(one, other)
    taught(tmp_path / "minutes", teacher, more=(*SAME, "training.minutes=0.02", "training.epochs=2")).run()
    assert not (tmp_path / "whole/teachers").exists()


@pytest.mark.parametrize(
    ("more", "says"),
    [
        (("backbone.size=[32, 16]",), "which is another shape than 32x16"),
        (("backbone.freeze=true",), "goes with no frozen backbone"),
    ],
)
def test_where_it_cannot_see_the_same_it_says_so(
    teacher: Path, tmp_path: Path, more: tuple[str, ...], says: str
) -> None:
    with pytest.raises(ConfigError, match=says):
        taught(tmp_path / "run", teacher, more=(*SAME, *more))


# What may be wrong, in one message before the first step.


def test_a_teacher_that_changed_meanwhile_is_refused(teacher: Path, tmp_path: Path) -> None:
    shutil.copytree(teacher, tmp_path / "teacher")
    taught(tmp_path / "run", tmp_path / "teacher").run(until=1)
    state = json.loads((tmp_path / "teacher/tasks.json").read_text())
    state["kind"]["temperature"] = 3.0
    (tmp_path / "teacher/tasks.json").write_text(json.dumps(state))
    with pytest.raises(RunError, match="not what this run began to learn from"):
        go_on(tmp_path / "run")


def test_two_teachers_of_one_task_are_refused(teacher: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="both answer kind"):
        taught(tmp_path / "run", teacher, teacher)


def test_a_teacher_of_no_task_is_refused(teacher: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r'none of which is a task here\. Did you mean "kinds"\?'):
        taught(
            tmp_path / "run",
            teacher,
            text=only("kind", kind="kinds").replace("kinds]", 'kinds]\nfrom = "kind"'),
        )


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (
            lambda text: text.replace('unit = "g"', 'unit = "kg"'),
            "weight, which is in g there and in kg here",
        ),
        (
            lambda text: text.replace('[tasks.kind]\ntype = "label"', '[tasks.kind]\ntype = "tags"'),
            "kind, which is of type label there and of type tags here",
        ),
    ],
)
def test_a_teacher_of_another_question_is_refused(
    teacher: Path, tmp_path: Path, change: Callable[[str], str], says: str
) -> None:
    with pytest.raises(ConfigError, match=says) as error:
        taught(tmp_path / "run", teacher, text=change(CONFIG))
    assert str(teacher) in str(error.value) and error.value.hint


def test_one_that_is_not_finished_or_not_there_is_refused(teacher: Path, tmp_path: Path) -> None:
    shutil.copytree(teacher, tmp_path / "half")
    (tmp_path / "half/tasks.json").unlink()
    for name, says in (("half", "not finished"), ("nowhere", "no such run folder")):
        with pytest.raises(OneglanceError, match=says):
            taught(tmp_path / f"run-{name}", tmp_path / name)


def test_one_of_a_newer_version_says_so(teacher: Path, tmp_path: Path) -> None:
    shutil.copytree(teacher, tmp_path / "newer")
    kept = json.loads((tmp_path / "newer/environment.json").read_text())
    kept["packages"]["oneglance"] = "99.1"
    (tmp_path / "newer/environment.json").write_text(json.dumps(kept))
    (tmp_path / "newer/config.toml").write_text("[training]\nmagic = true\n")
    with pytest.raises(RunError, match=r"trained by oneglance 99\.1"):
        taught(tmp_path / "run", tmp_path / "newer")


def test_a_teacher_to_whom_all_is_unfamiliar_is_refused(
    teacher: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "oneglance.inference.familiarity.novelty.Novelty.unfamiliar",
        lambda self, vectors, middle: np.ones(len(vectors)),
    )
    with pytest.raises(DataError, match="hardly one is like those it was trained on"):
        taught(tmp_path / "run", teacher)


def test_another_unit_is_seen_where_nobody_wrote_it(teacher: Path, tmp_path: Path) -> None:
    shutil.copytree(teacher, tmp_path / "grams")
    state = json.loads((tmp_path / "grams/tasks.json").read_text())
    state["weight"]["middle"] *= 1000
    state["weight"]["spread"] *= 1000
    (tmp_path / "grams/tasks.json").write_text(json.dumps(state))
    with pytest.raises(ConfigError, match="otherwise than people do: about"):
        taught(tmp_path / "run", tmp_path / "grams")


def test_a_task_of_a_type_that_cannot_be_taught_is_refused(
    teacher: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("oneglance.tasks.tags.Tags.teach", Task.teach)
    with pytest.raises(ConfigError, match="brings no `teach`"):
        taught(tmp_path / "run", teacher)


# Boxes.


@pytest.fixture(scope="module")
def finder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run with boxes that has hardly learned, and is sure of all of them; nobody changes it."""
    folder = tmp_path_factory.mktemp("finder") / "run"
    squares.trainer(folder, "training.epochs=1").run()
    state = json.loads((folder / "tasks.json").read_text())
    state["things"]["threshold"] = 0.0
    (folder / "tasks.json").write_text(json.dumps(state))
    return folder


def test_a_teacher_that_finds_nothing_is_refused(finder: Path, tmp_path: Path) -> None:
    shutil.copytree(finder, tmp_path / "shy")
    state = json.loads((tmp_path / "shy/tasks.json").read_text())
    state["things"]["threshold"] = 0.9
    (tmp_path / "shy/tasks.json").write_text(json.dumps(state))
    given = f'training.teachers=["{tmp_path / "shy"}"]'
    for views in ((), SAME):
        with pytest.raises(DataError, match=r"finds nothing for things in any of 32 pictures — add pictures"):
            squares.trainer(tmp_path / f"run{len(views)}", given, *views)


def test_boxes_are_taught_point_by_point(
    finder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("oneglance.detection.soft_boxes.LEAST", 0.0)
    given = f'training.teachers=["{finder}"]'
    trainer = squares.trainer(tmp_path / "run", given, "training.epochs=1")
    soft = split(targets_of(trainer)["things"])[1]
    levels = trainer.tasks["things"].state()["levels"]
    assert soft["slot"].shape[1] == sum(height * width for _, height, width, _ in levels)
    assert float(soft["point_score"].max()) > 0.01
    trainer.run()
    taught_in_steps = squares.trainer(tmp_path / "same", given, "training.epochs=1", *SAME)
    taught_in_steps.run()
    assert RunFolder.open(tmp_path / "run").finished and RunFolder.open(tmp_path / "same").finished


def test_a_file_teaches_boxes_as_they_are_found(
    finder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where there is no network at hand, nothing is known of single points."""
    monkeypatch.setattr("oneglance.detection.soft_boxes.LEAST", 0.0)
    monkeypatch.setattr("oneglance.training.teaching.teachers.Teacher.prepare", lambda teacher: None)
    given = f'training.teachers=["{finder}"]'
    trainer = squares.trainer(tmp_path / "run", given, "training.epochs=1")
    assert "slot" not in split(targets_of(trainer)["things"])[1]
