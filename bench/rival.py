"""One training of ``peers.py``, in a process of its own: ``python rival.py WAY job.json``.

All ways get the same table, the same backbone with the same weights, and the same seconds from here on, in
which they read, decode, train and look at the validation pictures after each epoch. Each plans its one cycle
of the learning rate for the seconds that a few steps say an epoch takes. Written to the job's ``out``: the
accuracy on the validation pictures after each epoch, with the seconds since the start, and on the test
pictures at the end.
"""

from __future__ import annotations

import csv
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn

BEGAN = time.perf_counter()
PROBED = 4  # steps by which a way finds out how long an epoch takes, after one that is not counted


class Job:
    """What all ways are told."""

    def __init__(self, path: str) -> None:
        given = json.loads(Path(path).read_text())
        self.table, self.out = Path(given["table"]), Path(given["out"])
        self.images: str = given["images"]
        self.backbone: dict[str, Any] = given["backbone"]
        self.tasks: list[str] = given["tasks"]
        self.seconds: float = given["seconds"]
        self.workers: int = given["workers"]
        self.rate: float = given["rate"]  # of the others' one cycle; ours has its own
        self.size: int = self.backbone["size"]
        self.curve: list[tuple[float, float]] = []

    def rows(self, split: str, task: str) -> list[tuple[str, str]]:
        """(file, answer)."""
        with self.table.open(newline="") as file:
            rows = [row for row in csv.DictReader(file) if row["split"] == split and row[task]]
        return [(f"{self.images}/{row['image']}", row[task]) for row in rows]

    def classes(self, task: str) -> list[str]:
        return sorted({answer for _, answer in self.rows("train", task)})

    def network(self, classes: int) -> Net:
        from oneglance.backbone import build_backbone
        from oneglance.config import BackboneTable

        return Net(build_backbone(BackboneTable(**self.backbone), Path()), classes)

    def left(self) -> float:
        return self.seconds - (time.perf_counter() - BEGAN)

    def epochs(self, seconds_of_one: float) -> int:
        return max(1, int(self.left() / seconds_of_one))

    def note(self, accuracy: float) -> None:
        self.curve.append((round(time.perf_counter() - BEGAN, 2), round(accuracy, 4)))

    def write(self, tests: dict[str, tuple[float, int]]) -> None:
        taken = round(time.perf_counter() - BEGAN, 1)
        self.out.write_text(json.dumps({"curve": self.curve, "test": tests, "seconds": taken}))


class Net(nn.Module):
    """The backbone of oneglance and one linear layer; pictures in 0 to 1 in."""

    def __init__(self, backbone: Any, classes: int) -> None:
        super().__init__()
        self.backbone = backbone
        self.backbone.gives_maps = False
        self.register_buffer("mean", torch.tensor(backbone.mean).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor(backbone.std).view(1, 3, 1, 1))
        self.head = nn.Linear(backbone.shape.vector, classes)

    def forward(self, pictures: Tensor) -> Tensor:
        return self.head(self.backbone((pictures - self.mean) / self.std).vector)

    def prepare(self, pictures: Tensor) -> None:
        self.backbone.prepare((pictures - self.mean) / self.std)


def opened(file: str, size: int) -> np.ndarray:
    return np.asarray(Image.open(file).convert("RGB").resize((size, size), Image.Resampling.BILINEAR))


class Files(torch.utils.data.Dataset):  # type: ignore[type-arg]
    """Pictures from their files, each time they are needed."""

    def __init__(self, rows: Sequence[tuple[str, str]], classes: Sequence[str], change: Any) -> None:
        self.rows, self.numbers, self.change = rows, {name: n for n, name in enumerate(classes)}, change

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, number: int) -> tuple[Any, int]:
        file, answer = self.rows[number]
        return self.change(Image.open(file).convert("RGB")), self.numbers.get(answer, -1)


def ours(job: Job) -> None:
    """oneglance: what ``init`` writes, but for the backbone, and ``training.minutes``."""
    import oneglance
    from oneglance.data.recipe import Seen, recipe
    from oneglance.progress import Screen

    class Watch(Screen):
        def epoch(self, row: Any, epochs: int, brief: Any) -> None:
            first = row["validation"][job.tasks[0]]
            job.note(first["accuracy"])

    scratch = job.backbone.get("weights", "none") == "none"
    seen = Seen(len(job.rows("train", job.tasks[0])), job.size, frozenset({"label"}), pretrained=not scratch)
    keys = [key for key in recipe("auto").keys(seen) if key.table == "training" and key.name != "epochs"]
    light = {} if scratch else {"scale": [0.8, 1.0], "shift": 0.05, "colour": 0.1}
    config = {
        "sources": [{"path": str(job.table), "images": job.images}],
        "tasks": {task: {"type": "label"} for task in job.tasks},
        "backbone": job.backbone,
        "augment": light,
        "cache": {"folder": str(job.out.parent / f"cache-{job.out.stem}")},
        "training": {"minutes": job.left() / 60, **{key.name: key.value for key in keys}},
    }
    run = oneglance.train(config, out=job.out.with_suffix(".run"), screen=Watch())
    report = oneglance.evaluate(run.path)["tasks"]
    scores = {task: report[task]["metrics"]["accuracy"] for task in job.tasks}
    job.write({task: (score["value"], score["n"]) for task, score in scores.items()})


def plain(job: Job) -> None:
    """A plain PyTorch loop, written well: decoded once, whole batches changed as tensors, channels last."""
    (task,) = job.tasks
    classes = job.classes(task)
    held = {split: canvases(job, split, task, classes) for split in ("train", "validation", "test")}
    pictures, answers = held["train"]
    network = job.network(len(classes)).to(memory_format=torch.channels_last)
    network.prepare(pictures[:512].float() / 255)
    batch = 64
    steps = max(1, len(pictures) // batch)

    def step(rows: Tensor) -> None:
        chosen = changed(pictures[rows]).float().div(255).contiguous(memory_format=torch.channels_last)
        loss = F.cross_entropy(network(chosen), answers[rows], label_smoothing=0.1)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    optimizer = torch.optim.AdamW(network.parameters(), lr=0.0, weight_decay=0.02)  # rate 0: only timed
    epochs = job.epochs(steps * timed(lambda: step(torch.randint(len(pictures), (batch,)))) * 1.1)
    optimizer = torch.optim.AdamW(network.parameters(), lr=job.rate, weight_decay=0.02)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, job.rate, total_steps=epochs * steps)
    for _ in range(epochs):
        network.train()
        for rows in torch.randperm(len(pictures))[: steps * batch].split(batch):
            step(rows)
            schedule.step()
        job.note(accuracy(network, *held["validation"]))
        if job.left() < 0:
            break
    job.write({task: (accuracy(network, *held["test"]), len(held["test"][1]))})


def canvases(job: Job, split: str, task: str, classes: list[str]) -> tuple[Tensor, Tensor]:
    from functools import partial
    from multiprocessing import Pool

    rows = job.rows(split, task)
    with Pool(job.workers) as pool:
        arrays = pool.map(partial(opened, size=job.size), [file for file, _ in rows], 32)
    answers = [classes.index(answer) if answer in classes else -1 for _, answer in rows]
    return torch.from_numpy(np.stack(arrays)).permute(0, 3, 1, 2), torch.tensor(answers)


def changed(pictures: Tensor) -> Tensor:
    """Flipped half of the time and shifted by an eighth at most, picture by picture."""
    count, _, height, width = pictures.shape
    pad = max(1, height // 8)
    wide = F.pad(pictures.float(), [pad] * 4, mode="reflect").to(torch.uint8)
    down, right = torch.randint(2 * pad + 1, (2, count))
    rows = (down[:, None] + torch.arange(height))[:, None, :, None]
    columns = (right[:, None] + torch.arange(width))[:, None, None, :]
    cut = wide[torch.arange(count)[:, None, None, None], torch.arange(3)[None, :, None, None], rows, columns]
    return torch.where((torch.rand(count) < 0.5)[:, None, None, None], cut.flip(3), cut)


def timed(step: Any) -> float:
    """Seconds of one."""
    step()
    began = time.perf_counter()
    for _ in range(PROBED):
        step()
    return (time.perf_counter() - began) / PROBED


@torch.no_grad()
def accuracy(network: nn.Module, pictures: Tensor, answers: Tensor) -> float:
    network.eval()
    right = [network(some.float() / 255).argmax(1) for some in pictures.split(256)]
    return float((torch.cat(right) == answers).float().mean())


def lightning(job: Job) -> None:
    """Lightning, as its documentation has it: a module, loaders with processes, torchvision's changes."""
    import lightning as library
    from torchvision.transforms import v2

    (task,) = job.tasks
    classes = job.classes(task)
    tensor = [v2.Resize((job.size, job.size)), v2.PILToTensor(), v2.ToDtype(torch.float32, scale=True)]
    random = [
        *tensor,
        v2.RandomHorizontalFlip(),
        v2.RandomCrop(job.size, padding=job.size // 8, padding_mode="reflect"),
    ]
    loaders = {
        split: torch.utils.data.DataLoader(
            Files(job.rows(split, task), classes, v2.Compose(random if split == "train" else tensor)),
            64 if split == "train" else 256,
            shuffle=split == "train",
            drop_last=split == "train",
            num_workers=job.workers,
            persistent_workers=True,
        )
        for split in ("train", "validation", "test")
    }
    steps = len(loaders["train"])

    class Module(library.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.network = job.network(len(classes))
            self.right: list[Tensor] = []
            self.epochs = 1

        def training_step(self, batch: list[Tensor], number: int) -> Tensor:
            return F.cross_entropy(self.network(batch[0]), batch[1], label_smoothing=0.1)

        def validation_step(self, batch: list[Tensor], number: int) -> None:
            self.right.append(self.network(batch[0]).argmax(1) == batch[1])

        test_step = validation_step

        def on_validation_epoch_end(self) -> None:
            job.note(float(torch.cat(self.right).float().mean()))
            self.right = []
            self.trainer.should_stop = job.left() < 0

        def configure_optimizers(self) -> Any:
            optimizer = torch.optim.AdamW(self.network.parameters(), lr=job.rate, weight_decay=0.02)
            cycle = torch.optim.lr_scheduler.OneCycleLR(optimizer, job.rate, total_steps=self.epochs * steps)
            return {"optimizer": optimizer, "lr_scheduler": {"scheduler": cycle, "interval": "step"}}

    module = Module()
    first = iter(loaders["train"])
    module.network.prepare(next(first)[0])
    probe = torch.optim.AdamW(module.network.parameters(), lr=0.0)

    def step() -> None:
        loss = module.training_step(next(first), 0)
        probe.zero_grad()
        loss.backward()
        probe.step()

    module.epochs = job.epochs(steps * timed(step) * 1.1)
    quiet = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False}
    trainer = library.Trainer(
        max_epochs=module.epochs,
        accelerator="auto",
        num_sanity_val_steps=0,
        enable_model_summary=False,
        **quiet,
    )
    trainer.fit(module, loaders["train"], loaders["validation"])
    trainer.test(module, loaders["test"], verbose=False)
    right = torch.cat(module.right).float()
    job.write({task: (float(right.mean()), len(right))})


def fastai(job: Job) -> None:
    """fastai, as its documentation has it: a DataBlock, aug_transforms on batches, fit_one_cycle."""
    from fastai.callback.core import Callback, CancelFitException
    from fastai.callback.schedule import fit_one_cycle  # noqa: F401 - it adds itself to Learner
    from fastai.data.block import CategoryBlock, DataBlock
    from fastai.data.transforms import ColReader, IndexSplitter
    from fastai.learner import Learner
    from fastai.losses import CrossEntropyLossFlat
    from fastai.metrics import accuracy as right
    from fastai.vision.augment import Resize, ResizeMethod, aug_transforms
    from fastai.vision.data import ImageBlock
    from pandas import DataFrame

    (task,) = job.tasks
    classes = job.classes(task)
    splits = {split: job.rows(split, task) for split in ("train", "validation", "test")}
    rows = splits["train"] + splits["validation"]
    held = range(len(splits["train"]), len(rows))
    block = DataBlock(
        blocks=(ImageBlock, CategoryBlock(vocab=classes)),
        get_x=ColReader("file"),
        get_y=ColReader("answer"),
        splitter=IndexSplitter(list(held)),
        item_tfms=Resize(job.size, method=ResizeMethod.Squish),
        batch_tfms=aug_transforms(max_rotate=0, max_warp=0, max_zoom=1.0 + 1 / 8, p_lighting=0),
    )
    loaders = block.dataloaders(DataFrame(rows, columns=["file", "answer"]), bs=64, num_workers=job.workers)

    class Note(Callback):
        order = 60  # after fastai's own that keeps the score

        def after_epoch(self) -> None:
            job.note(float(self.learn.recorder.values[-1][-1]))
            if job.left() < 0:
                raise CancelFitException

    network = job.network(len(classes))
    first = iter(loaders.train)
    network.prepare(next(first)[0].as_subclass(Tensor))
    probe = torch.optim.AdamW(network.parameters(), lr=0.0)

    def step() -> None:
        pictures, answers = (each.as_subclass(Tensor) for each in next(first))
        loss = F.cross_entropy(network(pictures), answers, label_smoothing=0.1)
        probe.zero_grad()
        loss.backward()
        probe.step()

    epochs = job.epochs(len(loaders.train) * timed(step) * 1.1)
    loss = CrossEntropyLossFlat(label_smoothing=0.1)
    learner = Learner(loaders, network, loss_func=loss, metrics=[right], wd=0.02)
    with learner.no_bar(), learner.no_logging():
        learner.fit_one_cycle(epochs, job.rate, cbs=[Note()])
        tests = loaders.test_dl(DataFrame(splits["test"], columns=["file", "answer"]), with_labels=True)
        answers, truths = learner.get_preds(dl=tests)
    job.write({task: (float((answers.argmax(1) == truths).float().mean()), len(truths))})


WAYS = {"oneglance": ours, "plain": plain, "lightning": lightning, "fastai": fastai}

if __name__ == "__main__":
    WAYS[sys.argv[1]](Job(sys.argv[2]))
