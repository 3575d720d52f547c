"""boxes: where things are, what they are, and what they are like."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, cast

import numpy as np
from pydantic import Field, PrivateAttr

from oneglance.batch_transform import Mix, View
from oneglance.data.merging.merge_answers import merge_boxes
from oneglance.data.record import Box, BoxAnnotations
from oneglance.detection import coco_matching
from oneglance.detection.box_ops import suppress
from oneglance.errors import ConfigError, DataError, InvalidAnswer, nearest
from oneglance.nn.feature_shape import Level, Shape
from oneglance.report_items import Detail, Grid
from oneglance.task import MetricState, Prediction, Target, Task, build_tasks
from oneglance.vector_task import ClassNames, VectorTask, sigmoid

if TYPE_CHECKING:
    from torch import Tensor, nn

    from oneglance.data.images.letterbox import Placement

CANDIDATES = 300  # points per picture that decode() looks at
FAINTEST = 0.001  # confidence below which nothing is told, not even to the scores
VISIBLE = 0.1  # share of a box that must stay in a changed picture for it to count
SMALLEST = 1.0  # pixels of the canvas: a box that is thinner there is a region to ignore


class Boxes(Task):
    """Boxes around things, each with a class and, as far as somebody said, attributes.

    A dense detector without anchors: see ``detection/``. Attributes are ordinary tasks, asked of each box.
    """

    # What is asked of each box: `attributes.colour = { type = "label" }`; labels, tags and numbers, with all
    # their keys
    attributes: dict[str, dict[str, Any]] = {}
    # The classes allowed; another one in the data is then a problem; default: those of the training part,
    # sorted
    classes: ClassNames = []
    # One name for every box: things are found whatever they are, and what the data call them can be asked as
    # an attribute with `from = "label"`
    single: str = ""
    levels: int = Field(
        3, ge=1, le=5
    )  # maps of the backbone that are looked at, from the coarsest; one more finds smaller things
    width: int = Field(48, ge=8)  # channels of the detector
    depth: int = Field(1, ge=1, le=6)  # convolutions of each of its towers
    bins: int = Field(
        16, ge=4, le=64
    )  # how far a side may be from the point that answers, in strides of its map
    overlap: float = Field(0.6, gt=0, le=1)  # IoU from which only the surer of two boxes stays
    most: int = Field(100, ge=1, le=CANDIDATES)  # boxes per picture

    _attributes: dict[str, VectorTask] = PrivateAttr(default_factory=dict)
    _classes: list[str] = PrivateAttr(default_factory=list)
    _usual: list[list[float]] = PrivateAttr(default_factory=list)  # per class: mean box, boxes per picture
    _threshold: float = PrivateAttr(0.3)
    _levels: tuple[Level, ...] = PrivateAttr(default=())
    _canvas: tuple[int, int] | None = PrivateAttr(None)

    primary_metric: ClassVar[str] = "ap"
    is_spatial: ClassVar[bool] = True
    meaning: ClassVar[Mapping[str, str]] = {
        "ap": "how surely things are found, mean over classes and over overlaps of 0.50 to 0.95 (COCO)",
        "ap50": "the same where an overlap of one half is enough",
        "ap75": "the same where an overlap of three quarters is asked for",
        "ar100": "share of things found by the 100 surest boxes, mean over overlaps of 0.50 to 0.95",
    }
    debiased_metrics: ClassVar[frozenset[str]] = frozenset({"ece"})  # of attributes

    def join(self, others: Mapping[str, Task], location: str, section: str) -> None:
        for name, task in build_tasks(self.attributes, location, f"{section}.attributes").items():
            if not isinstance(task, VectorTask) or task.uses:
                what = f"[{section}.attributes.{name}] must be a label, tags or a number that uses no other"
                raise ConfigError(what, location=location)
            self._attributes[name] = task

    @property
    def attribute_names(self) -> Collection[str]:
        return self.attributes.keys()

    # What people said.

    def read(self, raw_value: Any, queried: Sequence[str] | None = None) -> BoxAnnotations | None:
        if not isinstance(raw_value, BoxAnnotations):
            raise InvalidAnswer("holds no boxes", "name the field that holds them with `from`")
        found = []
        for box in raw_value.boxes:
            if self.classes and not self.single and box.label and box.label not in self.classes:
                hint = f"it is not among `classes`.{nearest(box.label, self.classes)}"
                raise InvalidAnswer(f'has a box of class "{box.label}"', hint)
            label = self.single or box.label
            found.append(replace(box, label=label, attributes=self._read_attributes(box)))
        looked = None if self.single else raw_value.queried
        if queried is not None and not self.single:
            looked = frozenset(queried) if looked is None else looked & frozenset(queried)
        return BoxAnnotations(tuple(found), looked)

    def _read_attributes(self, box: Box) -> dict[str, Any]:
        answers = {}
        there = {"label": box.label or None, **box.attributes}
        for name, task in self._attributes.items():
            said = [there.get(field) for field in task.fields]
            if any(part is not None for part in said):
                whole = said[0] if len(said) == 1 else dict(zip(task.fields, said, strict=True))
                try:
                    answer = task.read(whole)
                except InvalidAnswer as misfit:
                    raise InvalidAnswer(f"has a box whose {name} {misfit.what}", misfit.hint) from None
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
                "the training part has no box of any class" if boxes else "the training part has no box",
                location=self.name,
                hint=hint,
            )
        self._usual = []
        for name in self._classes:
            queried = sum(answer.queried is None or name in answer.queried for answer in answers)
            corners = [(box.x0, box.y0, box.x1, box.y1) for box in boxes if box.label == name]
            mean = np.mean(corners, axis=0).tolist() if corners else [0.0] * 4
            self._usual.append([*mean, len(corners) / max(queried, 1)])
        for name, task in self._attributes.items():
            known = [box.attributes[name] for box in boxes if name in box.attributes]
            try:
                task.fit_target(known)
            except DataError as error:
                raise DataError(
                    f"{name} of the boxes: {error.what}", location=self.name, hint=error.hint
                ) from None

    def to_canvas(self, answer: BoxAnnotations, placement: Placement) -> BoxAnnotations:
        return BoxAnnotations(tuple(_placed(box, placement) for box in answer.boxes), answer.queried)

    def encode(self, answers: Sequence[BoxAnnotations | None]) -> Target:
        count = len(answers)
        kept = [[] if answer is None else self._learnable(answer) for answer in answers]
        most = max(1, *(len(boxes) for boxes in kept)) if kept else 1
        index = {name: place for place, name in enumerate(self._classes)}
        target: Target = {
            "box": np.zeros((count, most, 4), dtype=np.float32),
            "label": np.full((count, most), -1, dtype=np.int64),
            "ignore": np.zeros((count, most), dtype=bool),
            "known": np.zeros((count, len(index)), dtype=np.float32),
        }
        for row, (answer, boxes) in enumerate(zip(answers, kept, strict=True)):
            if answer is None:
                continue
            queried = self._classes if answer.queried is None else answer.queried
            target["known"][row, [index[name] for name in queried if name in index]] = 1
            for place, box in enumerate(boxes):
                target["box"][row, place] = box.x0, box.y0, box.x1, box.y1
                target["label"][row, place] = index.get(box.label, len(index))
                target["ignore"][row, place] = box.ignore or box.label not in index
        for name, task in self._attributes.items():
            said: list[Any] = [None] * (count * most)
            for row, boxes in enumerate(kept):
                for place, box in enumerate(boxes):
                    said[row * most + place] = box.attributes.get(name)
            for key, value in task.encode(said).items():
                target[f"{name}.{key}"] = value.reshape(count, most, *value.shape[1:])
        return target

    def _learnable(self, answer: BoxAnnotations) -> list[Box]:
        """The boxes that can be learned: cut to the canvas, known classes or regions to ignore."""
        found = []
        width, height = self._canvas or (float("inf"), float("inf"))
        for box in answer.boxes:
            if box.label and box.label not in self._classes:
                continue  # a class that only other parts have
            cut = replace(
                box, x0=max(box.x0, 0), y0=max(box.y0, 0), x1=min(box.x1, width), y1=min(box.y1, height)
            )
            thin = min(cut.x1 - cut.x0, cut.y1 - cut.y0)
            if thin > 0:  # else it is off the canvas
                found.append(replace(cut, ignore=cut.ignore or thin < SMALLEST))
        return found

    # Torch.

    def head(self, shape: Shape) -> nn.Module:
        from oneglance.detection.head import DenseHead

        if not shape.maps:
            raise ConfigError(
                "this backbone has no maps, so it cannot tell where things are", location=self.name
            )
        self._levels, self._canvas = shape.maps[-self.levels :], shape.canvas
        return DenseHead(
            self._levels,
            width=self.width,
            depth=self.depth,
            prior=self._prior(),
            bins=self.bins,
            attributes={name: task.head(Shape(vector=self.width)) for name, task in self._attributes.items()},
            most=CANDIDATES,
        )

    def _prior(self) -> np.ndarray:
        """How likely each class is at any point, if each box is found at a few of them: float32 [classes]."""
        points = sum(level.height * level.width for level in self._levels)
        per_picture = np.array([usual[4] for usual in self._usual], dtype=np.float32)
        return np.clip(3 * per_picture / points, 1e-3, 0.2)

    def queried_mask(self, target: Mapping[str, Tensor]) -> Tensor:
        return target["known"] > 0

    def transform_target(self, target: Mapping[str, Tensor], view: View) -> dict[str, Tensor]:
        from oneglance.detection.box_transforms import moved

        return moved(target, view, kept_share=VISIBLE, smallest=SMALLEST)

    def loss(self, raw: Tensor, target: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        from oneglance.detection.criterion import Truth, attribute_target, dense_loss

        truth = Truth(*(target[key] for key in Truth._fields))
        found = dense_loss(raw, truth, self._levels, self.bins)
        loss, rows = found.loss, raw.flatten(0, 1)[found.row]
        for name, columns in self._columns():
            wanted = attribute_target(target, name, found.box)
            off, known = self._attributes[name].loss(rows[:, columns], wanted)
            loss = loss + (off * known).sum() / known.sum().clamp(min=1)
        return loss, found.known

    def mixed_loss(self, raw: Tensor, target: Mapping[str, Tensor], mix: Mix) -> tuple[Tensor, Tensor]:
        """A mixed picture shows the things of both; a class is known where both know it."""
        import torch

        other = {key: value[mix.partner] for key, value in target.items()}
        both = {key: torch.cat([target[key], other[key]], dim=1) for key in target if key != "known"}
        return self.loss(raw, {**both, "known": target["known"] * other["known"]})

    # NumPy, after any engine.

    def constant_raw(self) -> np.ndarray:
        from oneglance.detection.prior import constant_points

        prior = self._prior()
        said = [np.log(prior / (1 - prior)), *(t.constant_raw()[0] for t in self._attributes.values())]
        return constant_points(self._levels, self.bins, np.concatenate(said))

    def constant_baseline(self, count: int) -> list[Prediction]:
        """The mean box of each class, as sure as there is one in a picture."""
        boxes = []
        for label, (*corners, often) in zip(self._classes, self._usual, strict=True):
            attributes = {name: task.constant_baseline(1)[0] for name, task in self._attributes.items()}
            boxes.append(_box(corners, label, min(often, 1.0), attributes))
        boxes.sort(key=lambda box: -box["confidence"])
        return [{"boxes": boxes}] * count

    def calibrate(self, raw: np.ndarray, answers: Sequence[BoxAnnotations | None]) -> None:
        rows = [row for row, answer in enumerate(answers) if answer is not None]
        known = [cast(BoxAnnotations, answers[row]) for row in rows]
        kept = [self._kept(raw[row]) for row in rows]
        told = [
            coco_matching.Found(self._cut(raw[row][k.point, :4]), k.score, k.label)
            for row, k in zip(rows, kept, strict=True)
        ]
        found = self._matched(told, known)
        self._threshold = coco_matching.best_threshold(found)
        pairs = coco_matching.pairs(found).tolist()
        for name, columns in self._columns():
            said = [raw[rows[picture], kept[picture].point[place], columns] for picture, place, _ in pairs]
            truth = [known[picture].boxes[true].attributes.get(name) for picture, _, true in pairs]
            if said:
                self._attributes[name].calibrate(np.stack(said), truth)

    def decode(self, raw: np.ndarray) -> list[Prediction]:
        return [{"boxes": self._decoded(np.asarray(row, dtype=np.float64))} for row in raw]

    def _decoded(self, raw: np.ndarray) -> list[dict[str, Any]]:
        kept = self._kept(raw)
        attributes: dict[str, list[Prediction]] = {
            name: self._attributes[name].decode(raw[kept.point, columns]) for name, columns in self._columns()
        }
        found = zip(
            self._cut(raw[kept.point, :4]).tolist(), kept.label.tolist(), kept.score.tolist(), strict=True
        )
        classes = self._classes
        return [
            _box(corners, classes[label], score, {name: said[row] for name, said in attributes.items()})
            for row, (corners, label, score) in enumerate(found)
        ]

    def _kept(self, raw: np.ndarray) -> _Kept:
        """Which boxes of one picture [points, ...] are told, surest first."""
        corners = self._cut(raw[:, :4])
        score = sigmoid(np.asarray(raw[:, 4 : 4 + len(self._classes)], dtype=np.float64))
        point, label = np.nonzero(score >= FAINTEST)
        order = np.argsort(-score[point, label], kind="stable")[:CANDIDATES]
        point, label = point[order], label[order]
        sure = score[point, label]
        stay = suppress(corners[point], sure, label, iou=self.overlap, most=self.most)
        return _Kept(point[stay], label[stay], sure[stay])

    def _cut(self, corners: np.ndarray) -> np.ndarray:
        """Boxes [k, 4] as far as they lie on the canvas, float64."""
        corners = np.asarray(corners, dtype=np.float64)
        return np.clip(corners, 0, np.tile(self._canvas, 2)) if self._canvas else corners

    def _columns(self) -> Iterator[tuple[str, slice]]:
        """Each attribute's columns of the raw output."""
        start = 4 + len(self._classes)
        for name, task in self._attributes.items():
            yield name, slice(start, start + task.width)
            start += task.width

    def to_image(self, prediction: Prediction, placement: Placement) -> Prediction:
        boxes = prediction["boxes"]
        if not boxes:
            return prediction
        corners = placement.to_image(np.array([box["box"] for box in boxes]))
        sides = np.tile([placement.width, placement.height], 2)
        inside = np.clip(corners, 0, sides).tolist()
        return {"boxes": [{**box, "box": location} for box, location in zip(boxes, inside, strict=True)]}

    def visible(self, prediction: Prediction) -> Prediction:
        """The boxes that are sure enough: the threshold has the best F1 on the validation part."""
        return {
            "boxes": [
                {**box, "box": [round(edge, 2) for edge in box["box"]]}
                for box in prediction["boxes"]
                if box["confidence"] >= self._threshold
            ]
        }

    # Scores.

    def _matched(
        self, told: Sequence[coco_matching.Found], answers: Sequence[BoxAnnotations]
    ) -> coco_matching.Matched:
        index = {name: place for place, name in enumerate(self._classes)}
        queried = np.ones((len(answers), len(index)), dtype=bool)
        truths = []
        for row, answer in enumerate(answers):
            if answer.queried is not None:
                queried[row] = [name in answer.queried for name in self._classes]
            boxes = answer.boxes
            truths.append(
                coco_matching.Truth(
                    np.array([(b.x0, b.y0, b.x1, b.y1) for b in boxes], dtype=np.float64).reshape(-1, 4),
                    np.array([index.get(b.label, -1) for b in boxes], dtype=np.int64),
                    # A box without a class may be of any; a region of a class that is not ours says nothing.
                    np.array([not b.label or (b.ignore and b.label in index) for b in boxes], dtype=bool),
                )
            )
        return coco_matching.match(told, truths, queried)

    def metric_state(
        self, predictions: Sequence[Prediction], answers: Sequence[BoxAnnotations]
    ) -> MetricState:
        index = {name: place for place, name in enumerate(self._classes)}
        told = [
            coco_matching.Found(
                np.array([box["box"] for box in prediction["boxes"]], dtype=np.float64).reshape(-1, 4),
                np.array([box["confidence"] for box in prediction["boxes"]], dtype=np.float64),
                np.array([index[box["label"]] for box in prediction["boxes"]], dtype=np.int64),
            )
            for prediction in predictions
        ]
        found = self._matched(told, answers)
        metric_state: MetricState = {"found": found}
        pairs = coco_matching.pairs(found).tolist()
        for name, task in self._attributes.items():
            known = [
                (picture, predictions[picture]["boxes"][place]["attributes"][name], answer)
                for picture, place, true in pairs
                if (answer := answers[picture].boxes[true].attributes.get(name)) is not None
            ]
            location = np.array([picture for picture, _, _ in known], dtype=np.int64)
            own = (
                task.metric_state([said for _, said, _ in known], [answer for *_, answer in known])
                if known
                else {}
            )
            metric_state[name] = (location, own)
        return metric_state

    def metrics(self, metric_state: MetricState, weights: np.ndarray) -> dict[str, float]:
        found = coco_matching.average_precision(metric_state["found"], weights)
        for name, task in self._attributes.items():
            location, own = metric_state[name]
            told = _attribute_metrics(task, own, weights[location])
            found |= {f"{name}.{metric}": value for metric, value in told.items()}
        return found

    def sample_errors(self, metric_state: MetricState) -> np.ndarray:
        return coco_matching.sample_errors(metric_state["found"], self._threshold)

    def details(self, metric_state: MetricState) -> list[Detail]:
        rows = coco_matching.per_class(metric_state["found"], self._threshold)
        header = ("class", "boxes", "AP", "AP50", "precision", "recall")
        title = f"Per class (precision and recall of boxes surer than {self._threshold:.2f})"
        named = tuple((name, *row) for name, row in zip(self._classes, rows, strict=True))
        shown: list[Detail] = [Grid(title, header, named)]
        for name, task in self._attributes.items():
            _, own = metric_state[name]
            if own:
                shown += [replace(detail, title=f"{name}: {detail.title}") for detail in task.details(own)]
        return shown

    # Words.

    def format(self, answer: BoxAnnotations) -> str:
        return _listed(box.label for box in answer.boxes if not box.ignore)

    def format_prediction(self, prediction: Prediction) -> str:
        return _listed(box["label"] for box in prediction["boxes"])

    def detections(self, prediction: Prediction) -> list[Prediction]:
        found: list[Prediction] = prediction.get("boxes", [])
        return found

    def overlays(self, answer: BoxAnnotations) -> list[tuple[Sequence[float], str, int]]:
        marks: list[tuple[Sequence[float], str, int]] = []
        for box in answer.boxes:
            if not box.ignore:
                said = [self._attributes[name].format(value) for name, value in box.attributes.items()]
                corners = box.x0, box.y0, box.x1, box.y1
                marks.append((corners, ", ".join([box.label or "?", *said]), self._number(box.label)))
        return marks

    def predicted_overlays(self, prediction: Prediction) -> list[tuple[Sequence[float], str, int]]:
        marks = []
        for box in prediction["boxes"]:
            said = [
                self._attributes[name].format_prediction(answer) for name, answer in box["attributes"].items()
            ]
            caption = ", ".join([f"{box['label']} ({box['confidence']:.0%})", *said])
            marks.append((box["box"], caption, self._number(box["label"])))
        return marks

    def _number(self, label: str) -> int:
        """Classes that nobody taught share the one after the last."""
        return self._classes.index(label) if label in self._classes else len(self._classes)

    # The run folder.

    def state(self) -> dict[str, Any]:
        return {
            "classes": self._classes,
            "usual": self._usual,
            "threshold": self._threshold,
            "levels": [list(level) for level in self._levels],
            "canvas": self._canvas and list(self._canvas),
            "attributes": {name: task.state() for name, task in self._attributes.items()},
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        self._classes, self._threshold = list(state["classes"]), float(state["threshold"])
        self._usual = [[float(value) for value in row] for row in state["usual"]]
        self._levels = tuple(Level(*row) for row in state["levels"])
        self._canvas = state["canvas"] and (int(state["canvas"][0]), int(state["canvas"][1]))
        for name, task in self._attributes.items():
            task.restore(state["attributes"][name])


class _Kept(NamedTuple):
    """Boxes of one picture that are told, surest first; each int64 or float64 [k]."""

    point: np.ndarray
    label: np.ndarray
    score: np.ndarray


def _box(corners: Sequence[float], label: str, score: float, attributes: Mapping[str, Any]) -> dict[str, Any]:
    return {"box": list(corners), "label": label, "confidence": score, "attributes": dict(attributes)}


def _placed(box: Box, placement: Placement) -> Box:
    x0, y0, x1, y1 = placement.to_canvas(np.array([box.x0, box.y0, box.x1, box.y1])).tolist()
    return replace(box, x0=x0, y0=y0, x1=x1, y1=y1)


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
