"""boxes: where things are, what they are, and what they are like.

Longer than 400 lines because the contract of a task is long. Targets, losses and matching lie in
``detection/``, attributes and suspicions beside this file.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, cast

import numpy as np
from pydantic import Field, PrivateAttr

from oneglance.batch_transform import Mix, View
from oneglance.data.cell import as_text
from oneglance.data.merging.merge_answers import merge_boxes
from oneglance.data.parsing.annotations.box_geometry import distinct
from oneglance.data.quoting import quoted_list
from oneglance.data.record import Box, BoxAnnotations
from oneglance.detection import box_targets, coco_matching
from oneglance.detection.box_targets import SMALLEST
from oneglance.detection.decoding import CANDIDATES, Kept, cut, keep, keep_both, likeness
from oneglance.errors import ConfigError, DataError, InvalidAnswer, nearest
from oneglance.metrics.suspicion import Suspicion
from oneglance.nn.feature_shape import Level, Shape
from oneglance.report_items import Detail, ExplainedAnswer, Grid
from oneglance.storage.task_state import Form, require_added, require_declared, restore
from oneglance.task import MetricState, Prediction, Target, Task
from oneglance.tasks.boxes.attributes import Attributes
from oneglance.tasks.boxes.state import LearnedBoxes
from oneglance.tasks.boxes.suspicions import suspicions
from oneglance.vector_task import ClassNames, columns_of, refuse_added, sigmoid

if TYPE_CHECKING:
    from torch import Tensor, nn

    from oneglance.data.images.letterbox import Placement

VISIBLE = 0.1  # share of a box that must stay in a changed picture for it to count


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

    _attributes: Attributes = PrivateAttr(default_factory=Attributes)
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
        self._attributes = Attributes.of_tables(self.attributes, location, section)
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
        cells = self._attributes.to_cells(attributes)
        # Where every box is called the same, what the data call it is the answer of an attribute or unknown.
        fields = {field for task in self._attributes.values() for field in task.fields}
        return {"label": "" if self.single and "label" in fields else label, **cells}

    def read(self, raw_value: Any, queried: Sequence[str] | None = None) -> BoxAnnotations | None:
        if not isinstance(raw_value, BoxAnnotations):
            raise InvalidAnswer("holds no boxes", "name the field that holds them with `from`")
        boxes = []
        for box in raw_value.boxes:
            label = self.single or self._class(box.label)
            if self.classes and not self.single and label and label not in [*self.classes, *self.added]:
                hint = f"it is not among `classes`.{nearest(label, self.classes)}"
                raise InvalidAnswer(f'has a box of class "{label}"', hint)
            boxes.append(replace(box, label=label, attributes=self._attributes.read(box)))
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
        self._attributes.fit_target(boxes, self.name)

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
        from oneglance.detection.criterion import Truth, dense_loss

        truth = Truth(*(target[key] for key in Truth._fields))
        result = dense_loss(raw, truth, self._levels, self.bins)
        loss, rows = result.loss, raw.flatten(0, 1)[result.row]
        for term in self._attributes.losses(rows, target, result.box, len(self._learned_words)):
            loss = loss + term
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
        self._attributes.refuse_teacher(theirs._attributes)

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
        boxes.arrays |= self._attributes.soft_targets(
            raw, kept, theirs._attributes, len(theirs._classes), boxes.arrays["label"].shape[1]
        )
        if theirs._gives_all:
            score = np.zeros((*raw.shape[:2], len(self._learned_words)), dtype=np.float32)
            score[..., column[column >= 0]] = sigmoid(raw[..., 4 : 4 + len(column)])[..., column >= 0]
            levels = theirs._levels, self._levels
            boxes.arrays |= point_targets(raw[..., :4], score, *levels, self._canvas, places)
        return boxes.arrays

    def teach(self, raw: Tensor, soft: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        from oneglance.detection import soft_boxes
        from oneglance.detection.criterion import dense_loss
        from oneglance.detection.point_teaching import joined_losses

        result = dense_loss(raw, soft_boxes.truth(soft), self._levels, self.bins, soft["score"])
        loss, rows = (
            joined_losses(result.loss, raw, soft, self._levels, self.bins),
            raw.flatten(0, 1)[result.row],
        )
        for term in self._attributes.taught_losses(rows, soft, result.box, len(self._learned_words)):
            loss = loss + term
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
                known = self._attributes.drawn_answers(one["attributes"], random)
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
        outputs = [np.log(prior / (1 - prior)), *self._attributes.constant_raw()]
        return constant_points(self._levels, self.bins, np.concatenate(outputs))

    def constant_baseline(self, count: int) -> list[Prediction]:
        """The mean box of each class, its confidence the number of its boxes per picture, at most 1."""
        boxes = []
        for label, (*corners, per_picture) in zip(self._classes, self._mean_boxes, strict=True):
            attributes = self._attributes.constant_baseline()
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
        for name, columns in self._attributes.columns(len(self._classes)):
            output = [raw[rows[picture], kept[picture].point[box], columns] for picture, box, _ in pairs]
            truth = [labelled[picture].boxes[true].attributes.get(name) for picture, _, true in pairs]
            if output:
                self._attributes[name].calibrate(np.stack(output), truth)

    def decode(self, raw: np.ndarray) -> list[Prediction]:
        return self._decoded(raw, None)

    def decode_visible(self, raw: np.ndarray) -> list[Prediction]:
        return self._decoded(raw, self._thresholds)

    def _decoded(self, raw: np.ndarray, least: np.ndarray | None) -> list[Prediction]:
        """
        Args:
            least: float64 [classes], the confidence below which boxes are left out.
        """
        wanted = 4 + len(self._classes) + self._attributes.width
        # More or fewer classes than the network has would get columns of others.
        if raw.shape[2] not in (wanted, wanted + 4 * self.bins):
            raise ValueError(f"{raw.shape[2]} columns, where these classes and attributes take {wanted}")
        kept = [self._kept(np.asarray(row, dtype=np.float64), least) for row in raw]
        # Attributes of all pictures at once: each call has its price, and a picture has few boxes.
        rows = [row[own.point] for row, own in zip(raw, kept, strict=True)]
        every = np.concatenate([raw[:0, 0], *rows]).astype(np.float64)
        attributes = iter(self._attributes.decode(every, len(self._classes)))
        corners, classes = iter(cut(every[:, :4], self._canvas).tolist()), self._classes
        return [
            {
                "boxes": [
                    _box(next(corners), classes[label], score, next(attributes))
                    for label, score in zip(own.label.tolist(), own.score.tolist(), strict=True)
                ]
            }
            for own in kept
        ]

    def _kept(self, raw: np.ndarray, least: np.ndarray | None = None) -> Kept:
        limits: dict[str, Any] = {"iou": self.overlap, "most": self.most, "least": least}
        if self.added:
            classes = len(self._classes) - len(self.added), len(self.added)
            return keep_both(raw, classes, self._canvas, **limits)
        return keep(raw, len(self._classes), self._canvas, **limits)

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
        kept = self._kept(row, self._thresholds)
        corners = cut(row[kept.point, :4], self._canvas)
        answers = []
        for point, label, score, box in zip(kept.point, kept.label, kept.score, corners, strict=True):
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
        pairs = coco_matching.pairs(matched).tolist()
        return {"matched": matched, **self._attributes.metric_state(pairs, predictions, answers)}

    def metrics(self, metric_state: MetricState, weights: np.ndarray) -> dict[str, float]:
        metrics = coco_matching.average_precision(metric_state["matched"], weights)
        return metrics | self._attributes.metrics(metric_state, weights)

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
        self, predictions: Sequence[Prediction], answers: Sequence[BoxAnnotations], *, every: bool = False
    ) -> list[Suspicion]:
        return suspicions(predictions, answers, cells=self._detection_row)

    def _detection_row(self, box: Box) -> dict[str, str] | None:
        try:
            cells = self.detection_cells(box.label, self._attributes.raw_values(box.attributes))
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
        return [Grid(title, header, named), *self._attributes.details(metric_state)]

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


def _listed(labels: Iterable[str]) -> str:
    """``2 apple, 1 pear``."""
    counts = Counter(label or "?" for label in labels)
    return ", ".join(f"{count} {label}" for label, count in sorted(counts.items())) or "nothing"
