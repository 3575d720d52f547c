"""Answers of a teacher in the place of those that nobody gave, where a training cannot do without any."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from oneglance.data.dataset import SplitData
from oneglance.errors import DataError
from oneglance.progress import Screen
from oneglance.task import Task, fit_targets
from oneglance.training.teaching.teachers import Teacher


def learn_targets(tasks: Mapping[str, Task], training: SplitData, teachers: Sequence[Teacher]) -> None:
    """Every task learns its classes and scale: from the answers of people, or where there is none from its
    teacher.

    Raises:
        DataError: a task can learn neither from answers nor from a teacher.
    """
    alone = {
        name: teacher.task(name)
        for teacher in teachers
        for name in teacher.names
        if name in tasks and tasks[name].answered_by and _is_unanswered(training, name)
    }
    wrong = fit_targets({name: task for name, task in tasks.items() if name not in alone}, training.answers)
    for name, teacher_task in alone.items():
        try:
            tasks[name].learn_from(teacher_task)
        except DataError as error:
            wrong.append(error)
    if wrong:
        raise DataError("\n".join(str(error) for error in wrong))


def with_drawn_answers(
    validation: SplitData, tasks: Mapping[str, Task], teachers: Sequence[Teacher], seed: int, screen: Screen
) -> SplitData:
    """The split with an answer for every picture to each task that a teacher answers and nobody else does:
    drawn with the teacher's probabilities, so that the epoch that is kept and the calibration go by them. Of
    what a picture shows, no teacher knows more than that.
    """
    if not teachers:
        return validation
    answers = [dict(record.answers) for record in validation.records]
    drawn: list[str] = []
    for teacher in teachers:
        wanted = [name for name in teacher.names if _is_unanswered(validation, name)]
        if not wanted:
            continue
        random = np.random.default_rng(seed)
        refs = [record.image for record in validation.records]
        for number, row in enumerate(teacher.predictor.predict(refs, complete=True)):
            for name in wanted if "answers" in row else ():
                theirs = teacher.task(name)
                answer = theirs.drawn_answer(row["answers"][teacher.names[name]], random)
                if answer is not None:
                    answers[number][name] = answer
            screen.progress(number + 1, len(refs), f"asking {teacher.title}")
        drawn += [name for name in wanted if any(name in one for one in answers)]
    for name, task in tasks.items():
        if task.answered_by in drawn and task.answered_by != name:
            for one in answers:
                if task.answered_by in one:
                    one[name] = one[task.answered_by]
    if not drawn:
        return validation
    screen.say(f"nobody answered {', '.join(drawn)} for validation: answers are drawn as the teacher thinks")
    records = [replace(record, answers=own) for record, own in zip(validation.records, answers, strict=True)]
    return SplitData(records, validation.rows)


def _is_unanswered(split: SplitData, name: str) -> bool:
    return all(answer is None for answer in split.answers(name))
