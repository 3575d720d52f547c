"""[training] teacher_features: the shared features learn to predict those of teachers."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.preprocessing import StandardScaler
from support.toy import CONFIG, begin, go_on, targets_of, train, world

from oneglance.batch_transform import Mix
from oneglance.errors import ConfigError
from oneglance.inference.export import in_full_precision
from oneglance.inference.exported_network import Exported, as_onnx
from oneglance.inference.predictor import Predictor
from oneglance.nn.checkpoints import shapes_in
from oneglance.storage.run_folder import RunFolder
from oneglance.training.teaching.shared_features import FeatureScale, feature_loss
from oneglance.training.trainer import Trainer

SAME = 'training.teacher_views="same"'


def only(*names: str) -> str:
    """The configuration with some of its tasks, none of which uses others."""
    head, *tables = CONFIG.split("[tasks.")
    last, _, rest = tables[-1].partition("\n[")
    tables[-1] = last + "\n"
    kept = [table for table in tables if table.split("]")[0] in names]
    return head + "".join("[tasks." + table for table in kept) + "\n[" + rest


TEXT = only("kind", "weight", "style")


@pytest.fixture(scope="module")
def teachers(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Finished runs whose features have other widths than those of the student; nobody changes them."""
    folder = tmp_path_factory.mktemp("teachers")
    for name, width in (("kind", 6), ("weight", 8)):
        options = f"backbone.options={{ width = {width}, depth = 2 }}"
        train(folder / name, options, "training.epochs=2", "training.seed=3", text=only(name))
    return [folder / "kind", folder / "weight"]


def taught(folder: Path, teachers: list[Path], *more: str, features: float = 1.0) -> Trainer:
    paths = ", ".join(f'"{path}"' for path in teachers)
    given = (f"training.teachers=[{paths}]", f"training.teacher_features={features}", *more)
    return begin(folder, *given, text=TEXT)


def weights(trainer: Trainer) -> dict[str, torch.Tensor]:
    return trainer.learner.average.state_dict()


def hold_still(norm: torch.nn.Module) -> None:
    """A batch norm goes by its statistics in training too."""
    norm.eval()
    norm.train = lambda mode=True: norm  # type: ignore[method-assign]


def same(one: Trainer, other: Trainer) -> bool:
    pairs = zip(weights(one).values(), weights(other).values(), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)


def test_each_projector_learns_the_standardised_features(teachers: list[Path], tmp_path: Path) -> None:
    trainer = taught(tmp_path / "run", teachers)
    pixels = trainer.store.gather(trainer.training.rows)
    for key, teacher in zip(("~kind", "~weight"), teachers, strict=True):
        target = targets_of(trainer)[key]
        vectors = (
            Predictor.open(RunFolder.open(teacher), device="cpu", precision="fp32").forward(pixels).vectors
        )
        expected = StandardScaler().fit_transform(vectors.astype(np.float64)).clip(-5, 5)
        np.testing.assert_allclose(target["value"].float().numpy(), expected, atol=0.02)
        predicted = trainer.learner.network.projectors[key](
            torch.zeros(1, trainer.learner.network.backbone.shape.vector)
        )
        assert predicted.shape == (1, vectors.shape[1])
        assert bool((target["trust"] > 0).all())
    widths = {len(each.bias) for each in trainer.learner.network.projectors.values()}  # type: ignore[arg-type]
    assert len(widths) == 2


def test_the_loss_of_a_constant_answer_is_one() -> None:
    vectors = np.random.default_rng(0).normal(3, 7, (400, 5)).astype(np.float16)
    trust = np.ones(400, dtype=np.float32)
    target = FeatureScale.of(vectors, trust).target(vectors, trust)
    tensors = {key: torch.from_numpy(value) for key, value in target.items()}
    loss, weight = feature_loss(torch.zeros(400, 5), tensors, None)
    assert float((loss * weight).mean()) == pytest.approx(1, abs=0.01)
    assert float(feature_loss(tensors["value"], tensors, None)[0].max()) == 0


def test_what_was_not_seen_counts_neither_for_the_scale_nor_for_the_loss() -> None:
    vectors = np.array([[1.0], [3.0], [1000.0]], dtype=np.float16)
    trust = np.array([1, 1, 0], dtype=np.float32)
    scale = FeatureScale.of(vectors, trust)
    assert (float(scale.mean[0]), float(scale.spread[0])) == (2, 1)
    tensors = {key: torch.from_numpy(value) for key, value in scale.target(vectors, trust).items()}
    assert feature_loss(torch.zeros(3, 1), tensors, None)[1].tolist() == [1, 1, 0]


def test_mixed_pictures_learn_from_both_by_their_share() -> None:
    target = {"value": torch.tensor([[1.0], [3.0]]), "trust": torch.ones(2)}
    mix = Mix(torch.tensor([1, 0]), 0.75)
    loss, weight = feature_loss(torch.zeros(2, 1), target, mix)
    assert loss.tolist() == pytest.approx([0.75 * 1 + 0.25 * 9, 0.75 * 9 + 0.25 * 1])
    assert weight.tolist() == [1, 1]


@pytest.mark.parametrize("balancer", ["equal", "pcgrad"])
@pytest.mark.parametrize("parts", [1, 2])
def test_its_gradient_reaches_the_backbone_by_its_weight(
    teachers: list[Path], tmp_path: Path, balancer: str, parts: int
) -> None:
    """In every way to take a step the backbone gets weight times the gradient of this loss, beside what it
    gets without; no head gets any of it.
    """
    plain = ("augment.mixup=0", "augment.erase=0", "tasks.style.dropout=0", f'training.balancer="{balancer}"')
    trainer = taught(tmp_path / "run", teachers, *plain, features=2.0)
    learner, batch = trainer.learner, next(trainer.loaders[0].shuffled(0, 0))
    for module in learner.network.modules():  # so that whole and part are the same
        if isinstance(module, torch.nn.modules.batchnorm._BatchNorm):
            hold_still(module)
    learner.parts = parts

    def gradients(weight: float) -> dict[str, torch.Tensor]:
        learner.table = learner.table.model_copy(update={"teacher_features": weight})
        learner.backward(batch.pictures, batch.targets, None)
        own = learner.network.named_parameters()
        return {name: each.grad.clone() for name, each in own if each.grad is not None}

    without, beside = gradients(0.0), gradients(2.0)
    learner.network.zero_grad()
    predicted = learner.network(batch.pictures)
    losses = [feature_loss(predicted[key], batch.targets[key], None) for key in learner.network.projectors]
    sum((loss * trust).sum() / trust.sum() / 2 for loss, trust in losses).backward()  # type: ignore[union-attr]
    moved = 0.0
    for name, parameter in learner.network.named_parameters():
        if name not in without:
            continue
        if parameter.grad is None:
            assert torch.equal(without[name], beside[name]), name
            continue
        torch.testing.assert_close(beside[name] - without[name], 2 * parameter.grad, rtol=1e-3, atol=1e-5)
        moved += float(parameter.grad.abs().sum()) if name.startswith("backbone") else 0.0
    assert moved > 0


@pytest.mark.parametrize("more", [(), (SAME,)])
def test_the_finished_run_has_no_projector(
    teachers: list[Path], tmp_path: Path, more: tuple[str, ...]
) -> None:
    trainer = taught(tmp_path / "run", teachers, *more)
    names = set(weights(trainer))
    trainer.run()
    assert trainer.learner.network.projectors and not any("projector" in name for name in names)
    kept = shapes_in(tmp_path / "run/weights.safetensors")
    train(tmp_path / "plain", "training.epochs=1", text=TEXT)
    assert kept == shapes_in(tmp_path / "plain/weights.safetensors")
    assert set(json.loads((tmp_path / "run/tasks.json").read_text())) == {"kind", "weight", "style"}


def test_the_layers_in_a_training_change_no_answer(teachers: list[Path], tmp_path: Path) -> None:
    """With weight so small that nothing is learned by it, all is as if nobody had asked for features."""
    without = taught(tmp_path / "without", teachers, features=0.0)
    beside = taught(tmp_path / "beside", teachers, features=1e-30)
    for trainer in (without, beside):
        trainer.run()
    assert same(without, beside)
    pixels = beside.store.gather(beside.validation.split.rows)
    raw = (
        Predictor.open(RunFolder.open(tmp_path / "beside"), device="cpu", precision="fp32")
        .forward(pixels)
        .raw
    )
    for name, own in beside.learner.validate(beside.loaders[1]).items():
        assert raw[name].shape == own.shape


def test_it_changes_what_is_learned(teachers: list[Path], tmp_path: Path) -> None:
    without = taught(tmp_path / "without", teachers, "training.epochs=1", features=0.0)
    beside = taught(tmp_path / "beside", teachers, "training.epochs=1")
    for trainer in (without, beside):
        trainer.run()
    assert not same(without, beside)


@pytest.mark.parametrize("more", [(), (SAME,)])
def test_it_goes_on_as_if_nothing_had_happened(
    teachers: list[Path], tmp_path: Path, more: tuple[str, ...]
) -> None:
    whole = taught(tmp_path / "whole", teachers, *more)
    whole.run()
    taught(tmp_path / "stopped", teachers, *more).run(until=1)
    again = go_on(tmp_path / "stopped")
    again.run()
    assert same(whole, again)


def test_a_finished_run_learns_on(teachers: list[Path], tmp_path: Path) -> None:
    trainer = taught(tmp_path / "run", teachers, "training.epochs=1")
    trainer.run()
    longer = taught(tmp_path / "other", teachers, "training.epochs=2")
    longer.folder = RunFolder.open(tmp_path / "run")
    longer.go_on()
    assert longer.learner.position.epoch == 1 and same(trainer, longer)
    assert longer.learner.network.projectors


def test_what_was_kept_without_features_is_made_anew(teachers: list[Path], tmp_path: Path) -> None:
    taught(tmp_path / "run", teachers, features=0.0)
    index = tmp_path / "run/teachers/1.json"
    before = json.loads(index.read_text())
    run = RunFolder.open(tmp_path / "run")
    run.change(run.config().with_changes({"training.teacher_features": 1.0}))
    again = go_on(tmp_path / "run")
    assert json.loads(index.read_text())["asked"] != before["asked"]
    assert "~kind" in again.loaders[0].targets


@pytest.mark.slow  # an export and two trainings
def test_a_file_teaches_its_features_too(teachers: list[Path], tmp_path: Path) -> None:
    ours, network = in_full_precision(RunFolder.open(teachers[0])), RunFolder.open(teachers[0])
    config = network.config()
    exported = Exported(network.network(config, network.tasks(config)), half=False)
    written = as_onnx(exported, ours, world()[0].pixels[:4], "fp32", "kind.onnx")
    (tmp_path / "kind.onnx").write_bytes(written.content(ours.novelty))
    run, file = (
        targets_of(taught(tmp_path / name, [path]))["~kind"]["value"]
        for name, path in (("run", teachers[0]), ("file", tmp_path / "kind.onnx"))
    )
    torch.testing.assert_close(run, file, rtol=0, atol=0.02)


@pytest.mark.parametrize(
    ("more", "says"),
    [("backbone.freeze=true", "needs a backbone that learns"), ('backbone.name="classical"', "that learns")],
)
def test_features_that_learn_nothing_are_refused(
    teachers: list[Path], tmp_path: Path, more: str, says: str
) -> None:
    options = ("backbone.options={}",) if "classical" in more else ()
    with pytest.raises(ConfigError, match=says):
        taught(tmp_path / "run", teachers, more, *options)


def test_a_teacher_with_too_many_features_is_refused(
    teachers: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("oneglance.training.teaching.shared_features.WIDEST", 3)
    with pytest.raises(ConfigError, match="more than 3"):
        taught(tmp_path / "run", teachers)
