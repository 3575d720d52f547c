"""boxes: where things are, what they are, and what they are like.

Longer than 400 lines because the contract of a task is long, and attributes and added classes concern most of
it. Targets, losses and matching lie in ``detection/``.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, cast

import numpy as np
from pydantic import Field, PrivateAttr, model_validator

from oneglance.batch_transform import Mix, View
from oneglance.data.cell import as_text
from oneglance.data.merging.merge_answers import merge_boxes
from oneglance.data.parsing.annotations.box_geometry import distinct
from oneglance.data.quoting import quoted, quoted_list
from oneglance.data.record import Box, BoxAnnotations
from oneglance.detection import box_targets, coco_matching
from oneglance.detection.box_targets import SMALLEST
from oneglance.detection.decoding import CANDIDATES, Kept, cut, keep, keep_both, likeness
from oneglance.detection.doubted_boxes import RENAMED, BoxDoubt, doubted_boxes
from oneglance.errors import ConfigError, DataError, InvalidAnswer, nearest
from oneglance.metrics.suspicion import BoxEdit, Suspicion
from oneglance.nn.feature_shape import Level, Shape
from oneglance.report_items import Detail, ExplainedAnswer, Grid
from oneglance.storage.task_state import (
    Amount,
    Form,
    LearnedState,
    Names,
    Probability,
    require_added,
    require_declared,
    restore,
    same_length,
)
from oneglance.task import MetricState, Prediction, Target, Task, build_tasks
from oneglance.vector_task import ClassNames, VectorTask, columns_of, refuse_added, sigmoid

if TYPE_CHECKING:
    from torch import Tensor, nn

    from oneglance.data.images.letterbox import Placement

VISIBLE = 0.1  # share of a box that must stay in a changed picture for it to count


Side = Annotated[int, Field(ge=1, le=4096)]  # pixels of a canvas
MeanBox = Annotated[list[Amount], Field(min_length=5, max_length=5)]
MapSize = Annotated[list[Annotated[int, Field(ge=1, le=65536)]], Field(min_length=4, max_length=4)]


class LearnedBoxes(LearnedState):
    """What boxes have learned."""

    classes: Names = Field(min_length=1)
    usual: list[MeanBox]  # of each class: the corners of its mean box, and boxes per picture
    threshold: Probability
    levels: list[MapSize] = Field(
        min_length=1, max_length=5
    )  # channels, height, width and stride of each map
    canvas: list[Side] | None = Field(min_length=2, max_length=2)  # width and height
    attributes: dict[str, Any]  # states, which are read as those of all tasks
    added_threshold: Probability = coco_matching.USUAL_THRESHOLD  # of added classes

    @model_validator(mode="after")
    def _fits(self) -> LearnedBoxes:
        same_length(self.classes, usual=self.usual)
        width, height = self.canvas or (4096, 4096)
        if any(level[1] > height or level[2] > width for level in self.levels):
            raise ValueError("maps that are no larger than the canvas")
        if any(row[4] < 0 for row in self.usual):
            raise ValueError("no less than 0 boxes of any class in `usual`")
        return self


class Boxes(Task):
    """Boxes around things, each with a class and, where they are annotated, attributes.

    A dense detector without anchors: see ``detection/``. Attributes are ordinary tasks of each box.
    """

    # Tasks of each box: `attributes.colour = { type = "label" }`; labels, tags and numbers, with their keys
    attributes: dict[str, dict[str, Any]] = {}
    # The classes allowed; another one in the data is then a problem; default: those of training, sorted
    classes: ClassNames = []
    # Classes that a finished task learns besides, in a branch of its own: see `oneglance extend`
    added: ClassNames = []
    # One name for every box: things are found whatever they are, and what the data call them can be an
    # attribute with `from = "label"`
    single: str = ""
    # Maps of the backbone that are used, from the coarsest; one more finds smaller things
    levels: int = Field(3, ge=1, le=5)
    width: int = Field(48, ge=8)  # channels of the detector
    depth: int = Field(1, ge=1, le=6)  # convolutions of each of its towers
    # How far a side may be from the point that answers, in strides of its map
    bins: int = Field(16, ge=4, le=64)
    overlap: float = Field(0.6, gt=0, le=1)  # IoU from which only the more confident of two boxes stays
    most: int = Field(100, ge=1, le=CANDIDATES)  # boxes per picture

    _attributes: dict[str, VectorTask] = PrivateAttr(default_factory=dict)
    _classes: list[str] = PrivateAttr(default_factory=list)
    _mean_boxes: list[list[float]] = PrivateAttr(default_factory=list)  # per class; then boxes per picture
    _threshold: float = PrivateAttr(coco_matching.USUAL_THRESHOLD)
    _added_threshold: float = PrivateAttr(coco_matching.USUAL_THRESHOLD)
    _levels: tuple[Level, ...] = PrivateAttr(default=())
    _canvas: tuple[int, int] | None = PrivateAttr(None)
    _gives_all: bool = PrivateAttr(False)  # the raw output has a row for each point, in their order

    learned: ClassVar[Form] = LearnedBoxes
    primary_metric: ClassVar[str] = "ap"
    is_spatial: ClassVar[bool] = True
    meaning: ClassVar[Mapping[str, str]] = {
        "ap": "how surely things are found, mean over classes and over overlaps of 0.50 to 0.95 (COCO)",
        "ap50": "the same where an overlap of one half is enough",
        "ap75": "the same where an overlap of three quarters is asked for",
        "ar100": "share of things found by the 100 highest-scoring boxes, mean over overlaps of 0.50 to 0.95",
    }
    debiased_metrics: ClassVar[frozenset[str]] = frozenset({"ece"})  # of attributes

    def join(self, others: Mapping[str, Task], location: str, section: str) -> None:
        for name, task in build_tasks(self.attributes, location, f"{section}.attributes").items():
            if not isinstance(task, VectorTask) or task.uses:
                what = f"[{section}.attributes.{name}] must be a label, tags or a number that uses no other"
                raise ConfigError(what, location=location)
            self._attributes[name] = task
        if self.added and self.single:
            what = f"[{section}] added names further classes, and single calls every box the same"
            raise ConfigError(what, location=location, hint="ask for them in a task of their own")

    @property
    def added_classes(self) -> Sequence[str]:
        return self.added

    @property
    def _learned_words(self) -> list[str]:
        """The classes that learn: where some are added, these alone."""
        return self._words[-len(self.added) :] if self.added else self._words

    @property
    def _thresholds(self) -> np.ndarray:
        """Of each class: float64 [classes]."""
        known = len(self._classes) - len(self.added)
        return np.repeat([self._threshold, self._added_threshold], [known, len(self.added)])

    @property
    def _words(self) -> list[str]:
        """The classes as cells are read: run folders of earlier versions may hold a class "1.0"."""
        return list(map(as_text, self._classes))

    @property
    def attribute_names(self) -> Collection[str]:
        return self.attributes.keys()

    # Answers of people.

    def detection_cells(self, label: str, attributes: Mapping[str, Any]) -> dict[str, str]:
        if odd := sorted(attributes.keys() - self._attributes.keys()):
            what = f"has a box with the unknown attribute {quoted(odd[0])}"
            raise InvalidAnswer(what, nearest(odd[0], self._attributes).strip())
        # Where every box is called the same, what the data call it is the answer of an attribute or unknown.
        fields = {field for task in self._attributes.values() for field in task.fields}
        cells = {"label": "" if self.single and "label" in fields else label}
        for name, raw_value in attributes.items():
            try:
                cells |= self._attributes[name].to_cells(raw_value)
            except InvalidAnswer as error:
                if raw_value == []:  # no tag at all, and no word for it: the cell stays empty, unknown
                    continue
                raise InvalidAnswer(f"has a box whose {name} {error.what}", error.hint) from None
        return cells

    def read(self, raw_value: Any, queried: Sequence[str] | None = None) -> BoxAnnotations | None:
        if not isinstance(raw_value, BoxAnnotations):
            raise InvalidAnswer("holds no boxes", "name the field that holds them with `from`")
        boxes = []
        for box in raw_value.boxes:
            label = self.single or self._class(box.label)
            if self.classes and not self.single and label and label not in [*self.classes, *self.added]:
                hint = f"it is not among `classes`.{nearest(label, self.classes)}"
                raise InvalidAnswer(f'has a box of class "{label}"', hint)
            boxes.append(replace(box, label=label, attributes=self._read_attributes(box)))
        classes, unplaced = raw_value.queried, raw_value.unplaced
        if self.single:
            # A thing whose place nobody knows is of the one class, whatever the data call it.
            return BoxAnnotations(distinct(boxes), frozenset() if unplaced else None, unplaced)
        classes = classes and frozenset(map(self.word, classes))
        unplaced = frozenset(map(self._class, unplaced))
        if queried is not None:
            words = frozenset(map(self.word, queried))
            classes = words if classes is None else classes & words
        if unplaced and classes:  # another spelling is the same class
            classes = frozenset() if "" in unplaced else classes - unplaced
        return BoxAnnotations(distinct(boxes), classes, unplaced)

    def _class(self, word: str) -> str:
        """What a word of the data says of the class of a thing; "" where it says nothing."""
        return "" if word in self.unknown else self.word(word)

    def _read_attributes(self, box: Box) -> dict[str, Any]:
        answers = {}
        fields = {"label": box.label or None, **box.attributes}
        for name, task in self._attributes.items():
            values = [fields.get(field) for field in task.fields]
            if any(value is not None for value in values):
                raw_value = values[0] if len(values) == 1 else dict(zip(task.fields, values, strict=True))
                try:
                    answer = task.read(raw_value)
                except InvalidAnswer as error:
                    raise InvalidAnswer(f"has a box whose {name} {error.what}", error.hint) from None
                if answer is not None:
                    answers[name] = answer
        return answers

    def stratify_labels(self, answer: BoxAnnotations) -> Iterable[str]:
        return sorted({box.label for box in answer.boxes if box.label})

    def merge(self, first: BoxAnnotations, second: BoxAnnotations) -> BoxAnnotations:
        return merge_boxes(first, second, lambda name, *both: self._attributes[name].merge(*both))

    def fit_target(self, answers: Sequence[BoxAnnotations]) -> None:
        boxes = [box for answer in answers for box in answer.boxes if not box.ignore]
        counts = Counter(box.label for box in boxes if box.label)
        self._classes = list(self.classes) or sorted(counts)
        if not self._classes:
            hint = "give every box a class" if boxes else ""
            raise DataError(
                "the training split has no box of any class" if boxes else "the training split has no box",
                location=self.name,
                hint=hint,
            )
        self._mean_boxes = [box_targets.mean_box(name, answers) for name in self._classes]
        for name, task in self._attributes.items():
            try:
                task.fit_target([box.attributes[name] for box in boxes if name in box.attributes])
            except DataError as error:
                what = f"{name} of the boxes: {error.what}"
                raise DataError(what, location=self.name, hint=error.hint) from None

    def grow(self, before: Task, answers: Sequence[BoxAnnotations]) -> None:
        theirs = cast(Boxes, before)
        counts = Counter(box.label for answer in answers for box in answer.boxes if not box.ignore)
        refuse_added(self.name, self.added, theirs._words, counts)
        restore(self._attributes, theirs.state()["attributes"])
        self._classes = [*theirs._classes, *self.added]
        self._mean_boxes = theirs._mean_boxes + [box_targets.mean_box(name, answers) for name in self.added]
        self._threshold = theirs._threshold

    def to_canvas(self, answer: BoxAnnotations, placement: Placement) -> BoxAnnotations:
        boxes = tuple(box_targets.on_canvas(box, placement) for box in answer.boxes)
        return replace(answer, boxes=boxes)

    def encode(self, answers: Sequence[BoxAnnotations | None]) -> Target:
        return box_targets.encode(answers, self._learned_words, self._attributes, self._canvas)

    # Torch.

    def head(self, shape: Shape) -> nn.Module:
        from oneglance.detection.head import DenseHead

        if not shape.maps:
            raise ConfigError(
                "this backbone has no maps, so it cannot tell where things are", location=self.name
            )
        self._levels, self._canvas = shape.maps[-self.levels :], shape.canvas

        def dense(prior: np.ndarray, added: DenseHead | None = None) -> DenseHead:
            own = {name: task.head(Shape(vector=self.width)) for name, task in self._attributes.items()}
            sizes: dict[str, int] = {"width": self.width, "depth": self.depth, "bins": self.bins}
            return DenseHead(self._levels, **sizes, prior=prior, attributes=own, most=CANDIDATES, added=added)

        known, branch = np.split(self._prior(), [len(self._classes) - len(self.added)])
        return dense(known, dense(branch) if len(branch) else None)

    def _prior(self) -> np.ndarray:
        """How likely each class is at any point, if each box is found at a few of them: float32 [classes]."""
        points = sum(level.height * level.width for level in self._levels)
        per_picture = np.array([row[4] for row in self._mean_boxes], dtype=np.float32)
        return np.clip(3 * per_picture / points, 1e-3, 0.2)

    def queried_mask(self, target: Mapping[str, Tensor]) -> Tensor:
        return target["labelled"] > 0

    def transform_target(self, target: Mapping[str, Tensor], view: View) -> dict[str, Tensor]:
        from oneglance.detection.box_transforms import moved

        return moved(target, view, kept_share=VISIBLE, smallest=SMALLEST)

    def loss(self, raw: Tensor, target: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        from oneglance.detection.criterion import Truth, attribute_target, dense_loss

        truth = Truth(*(target[key] for key in Truth._fields))
        result = dense_loss(raw, truth, self._levels, self.bins)
        loss, rows = result.loss, raw.flatten(0, 1)[result.row]
        for name, columns in self._columns(self._learned_words):
            own = attribute_target(target, name, result.box)
            term, labelled = self._attributes[name].loss(rows[:, columns], own)
            loss = loss + (term * labelled).sum() / labelled.sum().clamp(min=1)
        return loss, result.labelled

    # From a teacher.

    def refuse_teacher(self, teacher: Task) -> None:
        super().refuse_teacher(teacher)
        theirs = cast(Boxes, teacher)
        if self._classes and not set(theirs._words) & set(self._learned_words):
            raise ConfigError(
                f"has the classes {quoted_list(theirs._words)} there and {quoted_list(self._words)} here",
                hint="a teacher needs one of them: read them as the same with `join`",
            )
        for name in self._attributes.keys() & theirs._attributes.keys():
            try:
                self._attributes[name].refuse_teacher(theirs._attributes[name])
            except ConfigError as error:
                raise ConfigError(f"its attribute {name} {error.what}", hint=error.hint) from None

    def learn_from(self, teacher: Task) -> None:
        theirs = cast(Boxes, teacher)
        levels, canvas = self._levels, self._canvas
        super().learn_from(teacher)
        # The maps are those of this network; boxes lie about where they lie on the other canvas.
        self._levels, self._canvas = levels, canvas
        missing = sorted(self._attributes.keys() - theirs._attributes.keys())
        if missing:
            raise DataError(f"its teacher has no attribute {missing[0]}", location=self.name)

    def prepare_to_teach(self, head: nn.Module) -> None:
        if not self.added and hasattr(head, "gives_all"):
            head.gives_all = self._gives_all = True  # type: ignore[assignment]

    def soft_target(
        self, raw: np.ndarray, teacher: Task, places: Sequence[tuple[Placement, Placement]] | None = None
    ) -> Target:
        """The teacher's boxes with their scores. Where it is less sure than its own threshold, neither yes
        nor no is learned; where it sees nothing at all, nothing is there. An attribute counts by how sure it
        is of it. Of a teacher that was prepared, also what it says at each point of this network.
        """
        from oneglance.detection import soft_boxes
        from oneglance.detection.point_teaching import point_targets

        theirs = cast(Boxes, teacher)
        column = columns_of(theirs._words, self._learned_words)
        known = np.isin(np.arange(len(self._learned_words)), column)
        kept = []
        for row in raw:
            one = theirs._kept(row)
            chosen = (one.score >= soft_boxes.LEAST) & (column[one.label] >= 0)
            kept.append(Kept(*(part[chosen][: soft_boxes.MOST] for part in one)))
        boxes = soft_boxes.TeacherBoxes(len(raw), soft_boxes.MOST, known)
        for row, one in enumerate(kept):
            corners = cut(raw[row][one.point, :4], theirs._canvas)
            if places is not None and len(corners):
                there, here = places[row]
                corners = cut(here.to_canvas(there.to_image(corners)), self._canvas)
            boxes.fill(row, corners, column[one.label], one.score, theirs._thresholds[one.label])
        for name, columns in theirs._columns(theirs._words):
            if name in self._attributes:
                rows = np.concatenate([row[one.point, columns] for row, one in zip(raw, kept, strict=True)])
                own = self._attributes[name].soft_target(rows, theirs._attributes[name])
                slots = [np.arange(len(one.label)) for one in kept]
                picture = np.repeat(np.arange(len(kept)), [len(each) for each in slots])
                for key, value in own.items():
                    shape = (*boxes.arrays["label"].shape, *value.shape[1:])
                    boxes.arrays[f"{name}.{key}"] = np.zeros(shape, dtype=value.dtype)
                    boxes.arrays[f"{name}.{key}"][picture, np.concatenate(slots)] = value
        if theirs._gives_all:
            score = np.zeros((*raw.shape[:2], len(self._learned_words)), dtype=np.float32)
            score[..., column[column >= 0]] = sigmoid(raw[..., 4 : 4 + len(column)])[..., column >= 0]
            levels = theirs._levels, self._levels
            boxes.arrays |= point_targets(raw[..., :4], score, *levels, self._canvas, places)
        return boxes.arrays

    def teach(self, raw: Tensor, soft: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        from oneglance.detection import soft_boxes
        from oneglance.detection.criterion import attribute_target, dense_loss
        from oneglance.detection.point_teaching import joined_losses

        result = dense_loss(raw, soft_boxes.truth(soft), self._levels, self.bins, soft["score"])
        loss, rows = (
            joined_losses(result.loss, raw, soft, self._levels, self.bins),
            raw.flatten(0, 1)[result.row],
        )
        for name, columns in self._columns(self._learned_words):
            if f"{name}.trust" in soft:
                own = attribute_target(soft, name, result.box)
                term, trust = self._attributes[name].teach(rows[:, columns], own)
                loss = loss + (term * trust).sum() / trust.sum().clamp(min=1)
        return loss, result.labelled * soft["trust"]

    def mixed_teach(self, raw: Tensor, soft: Mapping[str, Tensor], mix: Mix) -> tuple[Tensor, Tensor]:
        from oneglance.detection import soft_boxes

        return self.teach(raw, soft_boxes.both(soft, mix.partner))

    def says_something(self, soft: Target) -> bool:
        return bool(((soft["label"] >= 0) & ~soft["ignore"]).any())

    def transform_soft_target(self, soft: Mapping[str, Tensor], view: View) -> dict[str, Tensor]:
        from oneglance.detection.soft_boxes import moved_boxes

        return moved_boxes(soft, view, self._levels, kept_share=VISIBLE, smallest=SMALLEST)

    def drawn_answer(self, prediction: Prediction, random: np.random.Generator) -> BoxAnnotations:
        boxes = []
        for one in prediction["boxes"]:
            if random.random() < one["confidence"] and min(_sides(one["box"])) > 0:
                drawn = {n: self._attributes[n].drawn_answer(a, random) for n, a in one["attributes"].items()}
                known = {name: answer for name, answer in drawn.items() if answer is not None}
                x0, y0, x1, y1 = one["box"]
                boxes.append(Box(x0, y0, x1, y1, one["label"], known))
        return BoxAnnotations(tuple(boxes))

    def mixed_loss(self, raw: Tensor, target: Mapping[str, Tensor], mix: Mix) -> tuple[Tensor, Tensor]:
        """A mixed picture shows the things of both; a class is labelled where it is in both."""
        import torch

        other = {key: value[mix.partner] for key, value in target.items()}
        both = {key: torch.cat([target[key], other[key]], dim=1) for key in target if key != "labelled"}
        return self.loss(raw, {**both, "labelled": target["labelled"] * other["labelled"]})

    # NumPy, after any engine.

    def constant_raw(self) -> np.ndarray:
        from oneglance.detection.prior import constant_points

        prior = self._prior()[-len(self._learned_words) :]
        outputs = [np.log(prior / (1 - prior)), *(t.constant_raw()[0] for t in self._attributes.values())]
        return constant_points(self._levels, self.bins, np.concatenate(outputs))

    def constant_baseline(self, count: int) -> list[Prediction]:
        """The mean box of each class, its confidence the number of its boxes per picture, at most 1."""
        boxes = []
        for label, (*corners, per_picture) in zip(self._classes, self._mean_boxes, strict=True):
            attributes = {name: task.constant_baseline(1)[0] for name, task in self._attributes.items()}
            boxes.append(_box(corners, label, min(per_picture, 1.0), attributes))
        boxes.sort(key=lambda box: -box["confidence"])
        return [{"boxes": boxes}] * count

    def calibrate(self, raw: np.ndarray, answers: Sequence[BoxAnnotations | None]) -> None:
        rows = [row for row, answer in enumerate(answers) if answer is not None]
        labelled = [cast(BoxAnnotations, answers[row]) for row in rows]
        kept = [self._kept(raw[row]) for row in rows]
        learned, first = self._learned_words, len(self._classes) - len(self._learned_words)
        predicted = []
        for row, k in zip(rows, kept, strict=True):
            own = k.label >= first
            corners = cut(raw[row][k.point[own], :4], self._canvas)
            predicted.append(coco_matching.Predicted(corners, k.score[own], k.label[own] - first))
        matched = coco_matching.match(predicted, *box_targets.truths(labelled, learned))
        threshold = coco_matching.best_threshold(matched)
        if self.added:  # what it knew stays as it was, attributes too
            self._added_threshold = threshold
            return
        self._threshold = threshold
        pairs = coco_matching.pairs(matched).tolist()
        for name, columns in self._columns(self._words):
            output = [raw[rows[picture], kept[picture].point[box], columns] for picture, box, _ in pairs]
            truth = [labelled[picture].boxes[true].attributes.get(name) for picture, _, true in pairs]
            if output:
                self._attributes[name].calibrate(np.stack(output), truth)

    def decode(self, raw: np.ndarray) -> list[Prediction]:
        wanted = 4 + len(self._classes) + sum(task.width for task in self._attributes.values())
        # More or fewer classes than the network has would get columns of others.
        if raw.shape[2] not in (wanted, wanted + 4 * self.bins):
            raise ValueError(f"{raw.shape[2]} columns, where these classes and attributes take {wanted}")
        return [{"boxes": self._decoded(np.asarray(row, dtype=np.float64))} for row in raw]

    def _decoded(self, raw: np.ndarray) -> list[dict[str, Any]]:
        kept = self._kept(raw)
        attributes: dict[str, list[Prediction]] = {
            name: self._attributes[name].decode(raw[kept.point, columns])
            for name, columns in self._columns(self._words)
        }
        corners = cut(raw[kept.point, :4], self._canvas).tolist()
        columns = zip(corners, kept.label.tolist(), kept.score.tolist(), strict=True)
        return [
            _box(box, self._classes[label], score, {name: rows[row] for name, rows in attributes.items()})
            for row, (box, label, score) in enumerate(columns)
        ]

    def _kept(self, raw: np.ndarray) -> Kept:
        limits: dict[str, Any] = {"iou": self.overlap, "most": self.most}
        if self.added:
            classes = len(self._classes) - len(self.added), len(self.added)
            return keep_both(raw, classes, self._canvas, **limits)
        return keep(raw, len(self._classes), self._canvas, **limits)

    def _columns(self, classes: Sequence[str]) -> Iterator[tuple[str, slice]]:
        """Each attribute's columns of the raw output, which follow those of ``classes``: while training the
        ones that learn, else all.
        """
        start = 4 + len(classes)
        for name, task in self._attributes.items():
            yield name, slice(start, start + task.width)
            start += task.width

    def to_image(self, prediction: Prediction, placement: Placement) -> Prediction:
        boxes = prediction["boxes"]
        if not boxes:
            return prediction
        on_image = placement.to_image(np.array([box["box"] for box in boxes]))
        sides = np.tile([placement.width, placement.height], 2)
        inside = np.clip(on_image, 0, sides).tolist()
        return {"boxes": [{**box, "box": corners} for box, corners in zip(boxes, inside, strict=True)]}

    def visible(self, prediction: Prediction) -> Prediction:
        """The boxes above the confidence threshold, which has the best F1 on the validation split; added
        classes have one of their own.
        """
        least = dict(zip(self._classes, self._thresholds.tolist(), strict=True))
        return {
            "boxes": [
                {**box, "box": [round(edge, 2) for edge in box["box"]]}
                for box in prediction["boxes"]
                if box["confidence"] >= least[box["label"]]
            ]
        }

    def explained_answers(self, raw: np.ndarray) -> list[ExplainedAnswer]:
        """Each box that a user sees, by the logit of its class at the point that gives it."""
        row = np.asarray(raw[0], dtype=np.float64)
        kept = self._kept(row)
        corners = cut(row[kept.point, :4], self._canvas)
        answers = []
        for point, label, score, box in zip(kept.point, kept.label, kept.score, corners, strict=True):
            if score >= self._thresholds[label]:
                slope = np.zeros(row.shape)
                slope[point, 4 + label] = 1
                words = f"{self._classes[label]} ({score:.0%})"
                same = partial(likeness, box=box, label=int(label))
                answers.append(ExplainedAnswer(words, same, slope, box=box.tolist()))
        return answers

    # Scores.

    def metric_state(
        self, predictions: Sequence[Prediction], answers: Sequence[BoxAnnotations]
    ) -> MetricState:
        predicted = [box_targets.predicted(one["boxes"], self._classes) for one in predictions]
        matched = coco_matching.match(predicted, *box_targets.truths(answers, self._words))
        metric_state: MetricState = {"matched": matched}
        pairs = coco_matching.pairs(matched).tolist()
        for name, task in self._attributes.items():
            labelled = [
                (picture, predictions[picture]["boxes"][box]["attributes"][name], answer)
                for picture, box, true in pairs
                if (answer := answers[picture].boxes[true].attributes.get(name)) is not None
            ]
            pictures = np.array([picture for picture, _, _ in labelled], dtype=np.int64)
            own: MetricState = {}
            if labelled:
                own = task.metric_state([one for _, one, _ in labelled], [answer for *_, answer in labelled])
            metric_state[name] = (pictures, own)
        return metric_state

    def metrics(self, metric_state: MetricState, weights: np.ndarray) -> dict[str, float]:
        metrics = coco_matching.average_precision(metric_state["matched"], weights)
        for name, task in self._attributes.items():
            pictures, own = metric_state[name]
            values = _attribute_metrics(task, own, weights[pictures])
            metrics |= {f"{name}.{metric}": value for metric, value in values.items()}
        return metrics

    def sample_errors(self, metric_state: MetricState) -> np.ndarray:
        return coco_matching.sample_errors(metric_state["matched"], self._thresholds)

    def uncertainty(self, predictions: Sequence[Prediction]) -> np.ndarray:
        """Of the box that is nearest to the threshold."""
        below, above = max(self._threshold, 1e-6), max(1 - self._threshold, 1e-6)

        def doubt(score: float) -> float:
            far = (self._threshold - score) / below
            return 1 - (far if far > 0 else (score - self._threshold) / above)

        each = [[doubt(box["confidence"]) for box in one["boxes"]] for one in predictions]
        return np.array([max(own, default=0.0) for own in each], dtype=np.float64)

    def suspicions(
        self, predictions: Sequence[Prediction], answers: Sequence[BoxAnnotations]
    ) -> list[Suspicion]:
        """See ``doubted_boxes``; attributes are not judged."""
        doubts = doubted_boxes([one["boxes"] for one in predictions], answers)
        return [self._suspicion(doubt, answers[doubt.picture]) for doubt in doubts]

    def _suspicion(self, doubt: BoxDoubt, answer: BoxAnnotations) -> Suspicion:
        box = None if doubt.index is None else answer.boxes[doubt.index]
        there, proposed = "nothing here", "nothing here"
        place: Sequence[float] | None = None if box is None else (box.x0, box.y0, box.x1, box.y1)
        other = doubt.proposed
        if box is not None:
            there = box.label
        if other is not None:
            proposed = f"{other['label']} ({other['confidence']:.0%})"
        reason = f"{doubt.kind}, overlap {doubt.overlap:.0%}" if doubt.overlap else doubt.kind
        return Suspicion(
            doubt.picture,
            there,
            proposed,
            doubt.score,
            doubt.score > 0.5,
            reason,
            box=other["box"] if place is None and other is not None else place,
            proposed_box=other["box"] if place is not None and other is not None else None,
            edit=self._edit(doubt, box),
        )

    def _edit(self, doubt: BoxDoubt, box: Box | None) -> BoxEdit | None:
        """None where a table cannot say it."""
        if doubt.proposed is None:
            return BoxEdit(doubt.index, None)
        x0, y0, x1, y1 = (round(edge, 1) for edge in doubt.proposed["box"])
        other = Box(x0, y0, x1, y1, doubt.proposed["label"])
        if doubt.kind == RENAMED and box is not None:
            other = replace(box, label=doubt.proposed["label"])
        elif box is not None:
            other = replace(other, attributes=box.attributes)
        cells = self._detection_row(other)
        return None if cells is None else BoxEdit(doubt.index, cells)

    def _detection_row(self, box: Box) -> dict[str, str] | None:
        attributes = {name: self._attributes[name].raw_value(value) for name, value in box.attributes.items()}
        try:
            cells = self.detection_cells(box.label, attributes)
        except InvalidAnswer:
            return None
        edges = zip(("xmin", "ymin", "xmax", "ymax"), (box.x0, box.y0, box.x1, box.y1), strict=True)
        ignored = {"ignore": "1"} if box.ignore else {}
        return {**cells, **{name: repr(float(edge)).removesuffix(".0") for name, edge in edges}, **ignored}

    def detection_rows(self, answer: BoxAnnotations) -> list[dict[str, str]]:
        return [self._detection_row(box) or {} for box in answer.boxes]

    def detection_keys(self) -> dict[str, str]:
        field = {"columns": f'{{ "{self.name}" = "objects" }}'} if self.fields != ("objects",) else {}
        return {"format": '"boxes_table"', "classes": json.dumps(self._classes, ensure_ascii=False), **field}

    def details(self, metric_state: MetricState) -> list[Detail]:
        rows = coco_matching.per_class(metric_state["matched"], self._thresholds)
        header = ("class", "boxes", "AP", "AP50", "precision", "recall")
        added = f", of added classes {self._added_threshold:.2f}" if self.added else ""
        title = f"Per class (precision and recall of boxes surer than {self._threshold:.2f}{added})"
        named = tuple((name, *row) for name, row in zip(self._classes, rows, strict=True))
        details: list[Detail] = [Grid(title, header, named)]
        for name, task in self._attributes.items():
            _, own = metric_state[name]
            if own:
                details += [replace(detail, title=f"{name}: {detail.title}") for detail in task.details(own)]
        return details

    # For people.

    def format(self, answer: BoxAnnotations) -> str:
        return _listed(box.label for box in answer.boxes if not box.ignore)

    def format_prediction(self, prediction: Prediction) -> str:
        return _listed(box["label"] for box in prediction["boxes"])

    def detections(self, prediction: Prediction) -> list[Prediction]:
        boxes: list[Prediction] = prediction.get("boxes", [])
        return boxes

    def overlays(self, answer: BoxAnnotations) -> list[tuple[Sequence[float], str, int]]:
        overlays: list[tuple[Sequence[float], str, int]] = []
        for box in answer.boxes:
            if not box.ignore:
                texts = [self._attributes[name].format(value) for name, value in box.attributes.items()]
                corners = box.x0, box.y0, box.x1, box.y1
                overlays.append((corners, ", ".join([box.label or "?", *texts]), self._number(box.label)))
        return overlays

    def predicted_overlays(self, prediction: Prediction) -> list[tuple[Sequence[float], str, int]]:
        overlays = []
        for box in prediction["boxes"]:
            texts = [
                self._attributes[name].format_prediction(answer) for name, answer in box["attributes"].items()
            ]
            caption = ", ".join([f"{box['label']} ({box['confidence']:.0%})", *texts])
            overlays.append((box["box"], caption, self._number(box["label"])))
        return overlays

    def _number(self, label: str) -> int:
        """Classes that were not learned share the number after the last."""
        words, word = self._words, as_text(label)
        return words.index(word) if word in words else len(words)

    # The run folder.

    def state(self) -> dict[str, Any]:
        state = {
            "classes": self._classes,
            "usual": self._mean_boxes,
            "threshold": self._threshold,
            "levels": [list(level) for level in self._levels],
            "canvas": self._canvas and list(self._canvas),
            "attributes": {name: task.state() for name, task in self._attributes.items()},
        }
        return {**state, "added_threshold": self._added_threshold} if self.added else state

    def restore(self, state: Mapping[str, Any]) -> None:
        if not self.single:
            require_declared(state["classes"], [*self.classes, *self.added] if self.classes else [])
            require_added(state["classes"], self.added)
        self._classes, self._threshold = state["classes"], state["threshold"]
        self._added_threshold = state.get("added_threshold", coco_matching.USUAL_THRESHOLD)
        self._mean_boxes = state["usual"]
        self._levels = tuple(Level(*row) for row in state["levels"])
        self._canvas = state["canvas"] and (state["canvas"][0], state["canvas"][1])
        restore(self._attributes, state["attributes"])


def _box(corners: Sequence[float], label: str, score: float, attributes: Mapping[str, Any]) -> dict[str, Any]:
    return {"box": list(corners), "label": label, "confidence": score, "attributes": dict(attributes)}


def _sides(box: Sequence[float]) -> tuple[float, float]:
    return box[2] - box[0], box[3] - box[1]


def _attribute_metrics(task: VectorTask, metric_state: MetricState, weights: np.ndarray) -> dict[str, float]:
    """The same names whatever the weights; NaN where no box counts."""
    if not metric_state:
        return {task.primary_metric: float("nan")}
    if weights.any():
        return task.metrics(metric_state, weights)
    return dict.fromkeys(task.metrics(metric_state, np.ones(len(weights))), float("nan"))


def _listed(labels: Iterable[str]) -> str:
    """``2 apple, 1 pear``."""
    counts = Counter(label or "?" for label in labels)
    return ", ".join(f"{count} {label}" for label, count in sorted(counts.items())) or "nothing"
