"""Teachers and their student on the same test pictures, in pairs, and what both cost.

A task is scored on the test pictures of its teacher's own data, which neither has learned from; where these
are not at hand, on test pictures that the student's training declares and its teacher has not learned from.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

import numpy as np

from oneglance.data.dataset import Dataset, load_dataset
from oneglance.data.images.content_hash import short
from oneglance.data.record import Record
from oneglance.errors import OneglanceError
from oneglance.evaluation import significance
from oneglance.evaluation.comparison.variants import ms_per_picture
from oneglance.evaluation.evaluate import count_read, records_of
from oneglance.inference.engine import BATCH
from oneglance.inference.predictor import Predictor
from oneglance.progress import Screen
from oneglance.storage.atomic_files import write_json
from oneglance.storage.run_folder import RunFolder
from oneglance.task import Prediction, Task, build_tasks
from oneglance.training.teaching.teachers import Teacher, open_teachers

ROUNDS = 7  # in which networks are timed
LEARNED = ("train", "validation")  # splits from which a network knows its pictures


@dataclass(frozen=True)
class Scored:
    """What both say of the pictures by which one task is scored."""

    task: Task  # that of the student
    student: np.ndarray  # see ``significance.draws``
    teacher: np.ndarray
    title: str  # of the teacher
    answered: int
    pictures: str  # where they come from, in words


def report(run: RunFolder, screen: Screen) -> dict[str, Any]:
    """Score the finished student in ``run`` beside its teachers, and write distil.json there.

    Raises:
        RunError: it is not finished, or a teacher is not there any more.
    """
    config = run.config()
    student = Predictor.open(run, device=config.training.device, precision="fp32")
    teachers = open_teachers(config, build_tasks(config.tasks, config.file))
    known, notes = _known(run), list[str]()
    scored: dict[str, Scored] = {}
    for teacher in teachers:
        dataset, records, words = _test_pictures(teacher, run, known, notes, screen)
        if records:
            scored |= _scored(teacher, student, records, words, screen)
        if dataset is not None and teacher.run is not None:
            count_read(teacher.run, "test")
    for name in (name for one in teachers for name in one.names if name not in scored):
        notes.append(f"{name} is not scored: no test picture with an answer to it is at hand")
    result = {
        "oneglance": version("oneglance"),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "run": run.address,
        "tasks": _tasks(scored),
        "cost": _cost(student, [one.predictor for one in teachers], run),
        "notes": notes,
    }
    write_json(run / "distil.json", result)
    run.send()
    screen.close()
    return result


def _known(run: RunFolder) -> set[str]:
    """Digests of the pictures that a network has learned from."""
    return {digest for digest, split in run.splits_by_content().items() if split in LEARNED}


def _test_pictures(
    teacher: Teacher, student: RunFolder, known: set[str], notes: list[str], screen: Screen
) -> tuple[Dataset | None, list[Record], str]:
    """The data of the teacher where they are at hand, the pictures by which it and its student are compared,
    and where these come from.
    """
    for run, theirs in ((teacher.run, False), (student, True)):
        if run is None:
            continue
        names = [name if theirs else own for name, own in teacher.names.items()]
        try:
            config = run.config()
            tasks = build_tasks(config.tasks, config.file)
            dataset = load_dataset(config, list(tasks.values()), screen.progress, strict=False)
            test = records_of(run, "test", dataset)
        except OneglanceError as error:
            if not theirs:
                notes.append(f"the test pictures of {teacher.title} are not where they were ({error.what})")
            continue
        pairs = zip(dataset.records, dataset.contents, strict=True)
        digests = {id(record): short(content) for record, content in pairs if content is not None}
        seen = known if not theirs else _known_to(teacher)
        fresh = [one for one in test if digests.get(id(one)) not in seen]
        if len(fresh) < len(test):
            notes.append(
                f"{len(test) - len(fresh):,} test pictures of {run.path.name} are left out: "
                f"{'the teacher' if theirs else 'the student'} has learned from them"
            )
        answered = [one for one in fresh if any(one.answers.get(name) is not None for name in names)]
        if answered:
            renamed = answered if theirs else [_renamed(one, teacher.names) for one in answered]
            return (dataset if not theirs else None), renamed, f"test pictures of {run.path.name}"
    return None, [], ""


def _known_to(teacher: Teacher) -> set[str]:
    return _known(teacher.run) if teacher.run is not None else set()


def _renamed(record: Record, names: Mapping[str, str]) -> Record:
    """With the answers under the names that the tasks have in the student."""
    answers = {name: record.answers[own] for name, own in names.items() if own in record.answers}
    return replace(record, answers=answers)


def _scored(
    teacher: Teacher, student: Predictor, records: Sequence[Record], words: str, screen: Screen
) -> dict[str, Scored]:
    ours = _answers(student, records, f"scoring {words}", screen)
    theirs = _answers(teacher.predictor, records, f"asking {teacher.title}", screen)
    readable = [row for row, pair in enumerate(zip(ours, theirs, strict=True)) if None not in pair]
    groups = [records[row].group for row in readable]
    scored = {}
    for name, own in teacher.names.items():
        answers = [records[row].answers.get(name) for row in readable]
        count = sum(answer is not None for answer in answers)
        if not count:
            continue
        task = student.tasks[name]
        by_student = [ours[row][name] for row in readable]  # type: ignore[index]
        by_teacher = [theirs[row][own] for row in readable]  # type: ignore[index]
        scored[name] = Scored(
            task,
            significance.draws(task, by_student, answers, groups),
            significance.draws(teacher.task(name), by_teacher, answers, groups),
            teacher.title,
            count,
            words,
        )
    return scored


def _answers(
    predictor: Predictor, records: Sequence[Record], doing: str, screen: Screen
) -> list[dict[str, Prediction] | None]:
    """Complete answers; None for a picture that cannot be read."""
    answers: list[dict[str, Prediction] | None] = []
    for done, row in enumerate(predictor.predict((r.image for r in records), complete=True), 1):
        answers.append(row.get("answers"))
        screen.progress(done, len(records), doing)
    return answers


def _tasks(scored: Mapping[str, Scored]) -> dict[str, Any]:
    ours = {name: one.student[None] for name, one in scored.items()}
    theirs = {name: one.teacher[None] for name, one in scored.items()}
    tasks = {name: one.task for name, one in scored.items()}
    compared = significance.against(tasks, ours, theirs)

    def score(name: str, drawn: np.ndarray) -> dict[str, Any]:
        return significance.estimate(drawn).score(tasks[name], scored[name].answered, 1)

    return {
        name: {
            "type": one.task.type,
            "metric": one.task.primary_metric,
            "unit": one.task.metric_unit,
            "teacher": score(name, theirs[name]),
            "student": score(name, ours[name]),
            "difference": {**compared[name]["difference"], "n": one.answered},
            "error_change": compared[name]["error_change"],
            "verdict": compared[name]["verdict"],
            "taught_by": one.title,
            "pictures": one.pictures,
        }
        for name, one in scored.items()
    }


def _cost(student: Predictor, teachers: Sequence[Predictor], run: RunFolder) -> dict[str, Any]:
    """Of all teachers together, and of the student: each on its own canvas, decoding aside."""
    counts = [_parameters(one) for one in teachers]
    own, *theirs = _ms([student, *teachers])
    return {
        "teachers": {
            "ms_per_picture": round(sum(theirs), 4),
            "parameters": None if None in counts else sum(count for count in counts if count is not None),
        },
        "student": {
            "ms_per_picture": round(own, 4),
            "parameters": _parameters(student),
            "seconds": round(sum(row["seconds"] for row in run.history()), 1),  # of training
        },
    }


def _ms(predictors: Sequence[Predictor]) -> list[float]:
    """Milliseconds per picture of each. They take turns, for other programs may take the processors from one
    of them; the fastest turn counts.
    """
    random = np.random.default_rng(0)
    sizes = [one.config.backbone.canvas for one in predictors]
    drawn = [random.integers(0, 256, (BATCH, height, width, 3), np.uint8) for width, height in sizes]
    rounds = [
        [ms_per_picture(one, canvases, 1) for one, canvases in zip(predictors, drawn, strict=True)]
        for _ in range(ROUNDS)
    ]
    return [min(own) for own in zip(*rounds, strict=True)]


def _parameters(predictor: Predictor) -> int | None:
    """None for an .onnx file, which does not say."""
    network = getattr(predictor.engine, "network", None)
    return None if network is None else sum(one.numel() for one in network.parameters())
