"""tags: any number of several classes.

Longer than 400 lines because the contract of a task asks for as much.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from sys import intern
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple, cast

import numpy as np
from pydantic import Field, PrivateAttr, model_validator

from oneglance.data.cell import Cells, as_list, as_text
from oneglance.data.merging.merge_answers import either, is_queried
from oneglance.data.quoting import quoted, quoted_list
from oneglance.data.writer import in_a_cell
from oneglance.errors import ConfigError, DataError, InvalidAnswer, nearest
from oneglance.metrics.calibration import (
    calibration_grid,
    confidence_figures,
    expected_calibration_error,
    likely_offsets,
    mean_bins,
)
from oneglance.metrics.label_errors import doubted_labels
from oneglance.metrics.prediction_sets import PredictionSets, kept_sets, refuse_few, set_columns, sets_of_tags
from oneglance.metrics.suspicion import Suspicion
from oneglance.metrics.weighted import average_precision, dense_ranks, f1, ranking, weighted_mean
from oneglance.report_items import Curve, Detail, ExplainedAnswer, Grid
from oneglance.storage.task_state import (
    Amount,
    Form,
    LearnedSets,
    LearnedState,
    Names,
    Probability,
    Share,
    Temperature,
    require_added,
    require_declared,
    same_length,
)
from oneglance.task import MetricState, Prediction, Target, Task, Words
from oneglance.vector_task import (
    ClassNames,
    VectorTask,
    columns_of,
    fit_temperature,
    log_sigmoid,
    refuse_added,
    sigmoid,
)

if TYPE_CHECKING:
    from torch import Tensor

    from oneglance.data.images.letterbox import Placement

FAINTEST = 1e-6  # nobody is surer than this of a tag
YES = {"1", "true", "yes", "y", "t", "x"}
NO = {"0", "false", "no", "n", "f", "-1"}  # -1 as in CelebA


class TagAnnotations(NamedTuple):
    """The tags that apply to a picture, and those its annotators looked for (None: all)."""

    present: frozenset[str]
    queried: frozenset[str] | None = None


class LearnedTags(LearnedState):
    """What tags have learned."""

    classes: Names = Field(min_length=1)
    shares: list[Share]  # of the training split, smoothed
    temperature: Temperature
    offsets: list[Amount] = []  # one per class; none: of a version that had only the temperature
    thresholds: list[Probability]
    added_temperature: Temperature = 1.0  # of added tags
    sets: LearnedSets | None = None

    @model_validator(mode="after")
    def _fits(self) -> LearnedTags:
        same_length(self.classes, shares=self.shares, thresholds=self.thresholds)
        if self.offsets:
            same_length(self.classes, offsets=self.offsets)
        if self.sets:
            same_length(self.classes, thresholds=self.sets.thresholds)
        return self


class Tags(VectorTask):
    """Any number of several classes, such as the defects of a board.

    In the data: one cell with a ``separator``, a list, also one that a cell holds as JSON or Python writes it
    (``['striped', 'long']``), or one yes/no column per tag (``from`` names them
    all; an empty cell of one is unknown for that tag alone).
    """

    separator: str = Field("|", min_length=1)  # between the tags of a cell
    # Words that mean "looked and found nothing", such as `["none"]`; a list that is empty says so by itself,
    # an empty cell means that nobody looked
    none: Words = []
    # The tags allowed; another one in the data is a problem; default: those of the training split, sorted
    classes: ClassNames = []
    # `"balanced"`: yes and no of each tag count the same in training; probabilities are those of the data all
    # the same
    class_weights: Literal["none", "balanced"] = "none"
    # Share of a picture's tags that the `set` of an answer is promised to hold, on average over pictures with
    # any, where the validation split has enough answers: see
    # [Can I trust it?](../guides/trust.md#sets-of-answers-with-a-promise); 0: no sets
    coverage: float = Field(0.9, ge=0, lt=1)

    # Tags that a finished task learns besides, in a branch of their own: see `oneglance extend`
    added: ClassNames = []

    _classes: list[str] = PrivateAttr(default_factory=list)  # the added ones last
    _shares: list[float] = PrivateAttr(default_factory=list)
    _temperature: float = PrivateAttr(1.0)
    _added_temperature: float = PrivateAttr(1.0)
    _offsets: list[float] = PrivateAttr(default_factory=list)
    _thresholds: list[float] = PrivateAttr(default_factory=list)
    _sets: PredictionSets | None = PrivateAttr(None)

    learned: ClassVar[Form] = LearnedTags
    primary_metric: ClassVar[str] = "map"
    meaning: ClassVar[Mapping[str, str]] = {
        "map": "how well each tag's pictures come first, mean over the tags",
        "f1_macro": "precision and recall in one, mean over the tags",
        "f1_micro": "the same, over all tags of all pictures together",
        "ece": "how far probability is from the share with the tag, beyond chance; smaller is better",
        "coverage": "share of a picture's tags that the set holds, made to be `coverage` or more",
        "set_size": "tags in that set, on average; smaller is better",
    }
    debiased_metrics: ClassVar[frozenset[str]] = frozenset({"ece"})

    def read(self, raw_value: Any, queried: Sequence[str] | None = None) -> TagAnnotations | None:
        if isinstance(raw_value, dict):
            return self._read_columns(raw_value)
        if isinstance(raw_value, Cells):
            raw_value = self._words_of(raw_value)
            if raw_value is None:
                return None
        if not isinstance(raw_value, list | tuple | set):
            if self.is_unknown(raw_value):
                return None
            text = as_text(raw_value)
            raw_value = self._parts(text)
        labelled = [intern(self.word(word)) for word in raw_value if not self.is_unknown(word)]
        if raw_value and not labelled:
            return None
        words = set(labelled) - set(self.none)
        if self.classes and (odd := sorted(words - set(self.classes) - set(self.added))):
            raise InvalidAnswer(
                f'has the tag "{odd[0]}"', f"it is not among `classes`.{nearest(odd[0], self.classes)}"
            )
        queried_tags = None if queried is None else frozenset(map(self.word, queried)) | words
        return TagAnnotations(frozenset(words), queried_tags)

    def _words_of(self, cells: Cells) -> list[str] | None:
        """The words of all cells; None where each is unknown."""
        texts = [as_text(cell) for cell in cells if not self.is_unknown(cell)]
        if cells and not texts:
            return None
        return [word for text in texts for word in self._parts(text) if word is not None]

    def _parts(self, text: str) -> Sequence[str | None]:
        """The words of a cell of text; None is a gap in a list."""
        listed = as_list(text)
        return listed if listed is not None else [] if text in self.none else text.split(self.separator)

    def to_cells(self, raw_value: Any) -> dict[str, str]:
        tags = raw_value if isinstance(raw_value, list) else [raw_value]
        if len(self.fields) > 1:  # a column per tag
            if odd := sorted(set(map(str, tags)) - set(self.fields)):
                raise InvalidAnswer(f'has no column "{odd[0]}"')
            return {field: "yes" if field in tags else "no" for field in self.fields}
        answer = self.read(raw_value)
        if answer is None:
            raise InvalidAnswer("is a word that means unknown", "leave the task out")
        for text in (in_a_cell(raw_value), self.separator.join(map(in_a_cell, tags)), *self.none):
            if self.read(text) == answer:
                return {self.fields[0]: text}
        hint = "name a word for no tag at all: none = […]"
        raise InvalidAnswer("cannot be written in a cell of a table", hint)

    def _read_columns(self, cells: Mapping[str, Any]) -> TagAnnotations | None:
        answers = {tag: as_text(cell).lower() for tag, cell in cells.items() if not self.is_unknown(cell)}
        for tag, answer in answers.items():
            if answer not in YES | NO:
                raise InvalidAnswer(
                    f'{tag} is "{answer}"', "write yes or no, or leave the cell empty if unknown"
                )
        if not answers:
            return None
        return TagAnnotations(
            frozenset(tag for tag, answer in answers.items() if answer in YES), frozenset(answers)
        )

    def stratify_labels(self, answer: TagAnnotations) -> Iterable[str]:
        return sorted(answer.present)

    def merge(self, first: TagAnnotations, second: TagAnnotations) -> TagAnnotations:
        """A tag holds where either saw it; they contradict each other only where both looked for it."""
        for tag in sorted(first.present ^ second.present):
            if is_queried(tag, first.queried) and is_queried(tag, second.queried):
                present = tag in second.present
                raise InvalidAnswer(
                    f"has {quoted(tag)}, but not" if present else f"has no {quoted(tag)}, but has it"
                )
        return TagAnnotations(first.present | second.present, either(first.queried, second.queried))

    def fit_target(self, answers: Sequence[TagAnnotations]) -> None:
        if not answers:
            raise DataError("the training split has no answer", location=self.name)
        counts = Counter(tag for answer in answers for tag in answer.present)
        columns = [] if isinstance(self.from_, str) else list(dict.fromkeys(self.from_))
        self._classes = list(self.classes) or columns or sorted(counts)
        if not self._classes:
            raise DataError(
                "the training split has no tag at all", location=self.name, hint="check the separator"
            )
        queried = Counter(tag for answer in answers for tag in answer.queried or ())
        queried_all = sum(answer.queried is None for answer in answers)
        # One more of each, so that a tag that all or none have still has a finite logit.
        self._shares = [(counts[tag] + 1) / (queried_all + queried[tag] + 2) for tag in self._classes]
        self._offsets = self._usual_offsets.tolist()
        self._thresholds = sigmoid(self._usual_offsets).tolist()

    @property
    def width(self) -> int:
        return len(self._classes)

    @property
    def added_classes(self) -> Sequence[str]:
        return self.added

    @property
    def added_width(self) -> int:
        return len(self.added)

    def grow(self, before: Task, answers: Sequence[TagAnnotations]) -> None:
        theirs, new = cast(Tags, before), self._branch()
        counts = Counter(tag for answer in answers for tag in answer.present)
        refuse_added(self.name, self.added, theirs._classes, counts)
        new.fit_target(answers)
        self._classes = [*theirs._classes, *self.added]
        self._shares = [*theirs._shares, *new._shares]
        self._offsets = [*(theirs._offsets or theirs._usual_offsets.tolist()), *new._offsets]
        self._thresholds = [*theirs._thresholds, *new._thresholds]
        self._temperature, self._added_temperature = theirs._temperature, 1.0

    def _branch(self) -> Tags:
        """The added tags as a task of their own."""
        own = {"classes": self.added, "from_": self.name, "added": []}
        new: Tags = self.model_copy(deep=True, update=own)
        count = len(self.added)
        new._classes, new._temperature = list(self.added), self._added_temperature
        for name in ("_shares", "_offsets", "_thresholds"):
            setattr(new, name, getattr(self, name)[-count:])
        return new

    def encode(self, answers: Sequence[TagAnnotations | None]) -> Target:
        # Run folders of earlier versions may hold a tag "1.0", which is read as "1" now.
        index = {as_text(name): number for number, name in enumerate(self._classes)}
        present = np.zeros((len(answers), self.width), dtype=np.float32)
        labelled = np.zeros_like(present)
        for row, answer in enumerate(answers):
            if answer is None:
                continue
            present[row, [index[tag] for tag in answer.present if tag in index]] = 1
            queried = (
                slice(None) if answer.queried is None else [index[t] for t in answer.queried if t in index]
            )
            labelled[row, queried] = 1
        return {"present": present, "labelled": labelled}

    def loss(self, raw: Tensor, target: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        import torch.nn.functional as F

        present = target["present"]
        loss = F.binary_cross_entropy_with_logits(raw.float(), present, reduction="none")
        if self.class_weights == "balanced":
            share = loss.new_tensor(self._shares)
            loss = loss * (present / (2 * share) + (1 - present) / (2 * (1 - share)))
        return loss, target["labelled"]

    def refuse_teacher(self, teacher: Task) -> None:
        super().refuse_teacher(teacher)
        theirs = [as_text(name) for name in cast(Tags, teacher)._classes]
        if self._classes and not set(theirs) & set(map(as_text, self._classes)):
            raise ConfigError(
                f"has the tags {quoted_list(theirs)} there and {quoted_list(self._classes)} here",
                hint="a teacher needs one of them: read them as the same with `join`",
            )

    def soft_target(
        self, raw: np.ndarray, teacher: Task, places: Sequence[tuple[Placement, Placement]] | None = None
    ) -> Target:
        """Calibrated probabilities of each tag that both know, which count by how sure they are."""
        theirs = cast(Tags, teacher)
        other = columns_of(self._classes, theirs._classes)  # of each tag of ours, where it is there
        ours = np.flatnonzero(other >= 0)
        chances, trust = (np.zeros((len(raw), self.width), dtype=np.float32) for _ in range(2))
        answers = theirs.chances(raw)[:, other[ours]]
        chances[:, ours], trust[:, ours] = answers, np.abs(2 * answers - 1)
        return {"chances": chances, "trust": trust}

    def teach(self, raw: Tensor, soft: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Kullback-Leibler divergence of each tag by itself."""
        import torch.nn.functional as F

        theirs = soft["chances"].clamp(min=FAINTEST, max=1 - FAINTEST)
        ours = raw.float() + raw.new_tensor(self._usual_offsets).float()
        loss = F.binary_cross_entropy_with_logits(ours, theirs, reduction="none")
        own = F.binary_cross_entropy_with_logits(theirs.logit(), theirs, reduction="none")
        return loss - own, soft["trust"]

    def drawn_answer(self, prediction: Prediction, random: np.random.Generator) -> TagAnnotations:
        chances = prediction["probabilities"].items()
        return TagAnnotations(frozenset(tag for tag, chance in chances if random.random() < chance))

    @property
    def _logits(self) -> np.ndarray:
        """Of the shares, float64 [tags]."""
        shares = np.array(self._shares, dtype=np.float64)
        return np.asarray(np.log(shares / (1 - shares)))

    @property
    def _usual_offsets(self) -> np.ndarray:
        """What leads from raw output to that of the data, float64 [tags], by Bayes' rule: whoever learned
        with as many yes as no answers as if half of all pictures had the tag (Elkan 2001, The Foundations of
        Cost-Sensitive Learning, theorem 2).
        """
        return self._logits if self.class_weights == "balanced" else np.zeros(self.width)

    def constant_raw(self) -> np.ndarray:
        return np.asarray((self._logits - self._usual_offsets)[None], dtype=np.float32)

    def chances(self, raw: np.ndarray) -> np.ndarray:
        """Calibrated probabilities, float64 [n, tags]."""
        temperature = np.full(self.width, self._temperature)
        temperature[self.width - self.added_width :] = self._added_temperature
        return sigmoid(np.asarray(raw, dtype=np.float64) / temperature + np.array(self._offsets))

    def constant_baseline(self, count: int) -> list[Prediction]:
        # Calibration mends the network's confidence; the shares of the tags need no mending.
        return self._predictions(np.array([self._shares], dtype=np.float64)) * count

    def calibrate(self, raw: np.ndarray, answers: Sequence[TagAnnotations | None]) -> None:
        """Platt scaling (Platt 1999) with one slope for all tags and an offset for each, which stays near
        the usual one where few pictures have the tag.
        """
        if self.added:  # what it knew stays as it was
            new, known = self._branch(), self.width - self.added_width
            new.calibrate(raw[:, known:], answers)
            self._offsets[known:], self._thresholds[known:] = new._offsets, new._thresholds
            self._added_temperature = new._temperature
            return
        target = self.encode(answers)
        present, labelled = target["present"].astype(np.float64), target["labelled"] > 0
        raw = np.asarray(raw, dtype=np.float64)
        if labelled.sum() < 10:
            return

        # One more picture that has the tag as often as any, so that few mistakes do not become none for ever
        # (Platt's section 2.2 has one that nobody could answer).
        count = labelled.sum(axis=0)
        hoped = (present * count + np.array(self._shares)) / (count + 1)

        def loss(temperature: float) -> float:
            offsets, unlikely = likely_offsets(raw / temperature, hoped, labelled, self._usual_offsets)
            x = raw / temperature + offsets
            logs = hoped * log_sigmoid(x) + (1 - hoped) * log_sigmoid(-x)
            return float((unlikely - logs[labelled].sum()) / labelled.sum())

        self._temperature = fit_temperature(loss)
        scaled = raw / self._temperature
        self._offsets = likely_offsets(scaled, hoped, labelled, self._usual_offsets)[0].tolist()
        chances = self.chances(raw)
        self._thresholds = [
            best_threshold(chances[asked, tag], present[asked, tag], usual)
            for tag, (asked, usual) in enumerate(zip(labelled.T, sigmoid(self._usual_offsets), strict=True))
        ]

    def fit_sets(
        self, raw: np.ndarray, answers: Sequence[TagAnnotations | None], groups: Sequence[str]
    ) -> None:
        """See ``sets_of_tags``."""
        present = self.encode(answers)["present"] > 0
        self._sets = None
        if self.coverage and present.any():
            self._sets = sets_of_tags(self.chances(raw), present, groups, self.coverage)

    def refuse_few_answers(
        self,
        training: Sequence[TagAnnotations | None],
        validation: Sequence[TagAnnotations | None],
        groups: Sequence[str],
    ) -> None:
        if self.coverage and "coverage" in self.model_fields_set:
            shown = [row for row, answer in enumerate(validation) if answer is not None and answer.present]
            refuse_few(self.name, shown, groups, self.coverage)

    def decode(self, raw: np.ndarray) -> list[Prediction]:
        chances = self.chances(raw)
        predictions = self._predictions(chances)
        if self._sets is None:
            return predictions
        sets = set_columns(self._sets.members(chances), chances, self._classes, self._sets.coverage)
        return [{**one, **its} for one, its in zip(predictions, sets, strict=True)]

    def _predictions(self, chances: np.ndarray) -> list[Prediction]:
        applies = chances >= np.array(self._thresholds)
        return [
            {
                "values": [tag for tag, yes in zip(self._classes, chosen, strict=True) if yes],
                "probabilities": dict(zip(self._classes, row, strict=True)),
            }
            for chosen, row in zip(applies.tolist(), chances.tolist(), strict=True)
        ]

    def explained_answers(self, raw: np.ndarray) -> list[ExplainedAnswer]:
        """Each tag that it says, by its raw output."""
        prediction = self.decode(raw)[0]
        return [
            ExplainedAnswer(
                f"{tag} ({prediction['probabilities'][tag]:.0%})",
                partial(column_of, column=column),
                np.eye(self.width)[column],
            )
            for column, tag in enumerate(self._classes)
            if tag in prediction["values"]
        ]

    def metric_state(
        self, predictions: Sequence[Prediction], answers: Sequence[TagAnnotations]
    ) -> MetricState:
        shape = (len(predictions), self.width)
        rows = [[p["probabilities"][tag] for tag in self._classes] for p in predictions]
        chances = np.array(rows, dtype=np.float64).reshape(shape)
        index = {tag: number for number, tag in enumerate(self._classes)}
        chosen = np.zeros(shape)
        for row, prediction in enumerate(predictions):
            chosen[row, [index[tag] for tag in prediction["values"]]] = 1
        target = self.encode(answers)
        labelled, present = target["labelled"].astype(np.float64), target["present"].astype(np.float64)
        ranked = [ranking(column) for column in chances.T]
        sets: MetricState = {}
        if (members := kept_sets(predictions, self._classes)) is not None:
            sets = {
                "set_size": members.sum(axis=1).astype(np.float64),
                "share_in_set": (labelled * present * members).sum(axis=1)
                / np.maximum((labelled * present).sum(axis=1), 1),
            }
        return {
            **sets,
            "chances": chances,
            "labelled": labelled,
            "present": labelled * present,
            "chosen": labelled * chosen,
            "hit": labelled * present * chosen,
            # A column is one tag: contiguous, for it is what average_precision walks through.
            "order": np.array([order for order, _ in ranked], dtype=np.int64).T,
            "end": np.array([end for _, end in ranked], dtype=np.int64).T,
            "rank": dense_ranks(chances),
        }

    def metrics(self, metric_state: MetricState, weights: np.ndarray) -> dict[str, float]:
        hits, chosen, present = (weights @ metric_state[name] for name in ("hit", "chosen", "present"))
        # A tag of which a resample has drawn nothing is not one that no answer has.
        involved = (present > 0) | ((chosen > 0) & ~metric_state["present"].any(axis=0))
        counted = metric_state["labelled"] * weights[:, None]
        precisions = self._average_precisions(metric_state, counted)
        precisions = precisions[~np.isnan(precisions)]
        total = float(chosen.sum() + present.sum())
        flat = [metric_state[name].ravel() for name in ("chances", "rank", "present")]
        picture = np.repeat(np.arange(len(weights)), self.width)
        nothing = float("nan")
        return {
            "map": float(precisions.mean()) if len(precisions) else nothing,
            "f1_macro": float(f1(hits, chosen, present)[involved].mean()) if involved.any() else nothing,
            "f1_micro": float(2 * hits.sum() / total) if total else nothing,
            "ece": expected_calibration_error(flat[0], flat[1], flat[2], counted.ravel(), picture),
            **self._set_metrics(metric_state, weights),
        }

    def _set_metrics(self, metric_state: MetricState, weights: np.ndarray) -> dict[str, float]:
        if "share_in_set" not in metric_state:
            return {}
        any_tag = weights * metric_state["present"].any(axis=1)
        share = weighted_mean(metric_state["share_in_set"], any_tag) if any_tag.any() else float("nan")
        return {"coverage": share, "set_size": weighted_mean(metric_state["set_size"], weights)}

    def _average_precisions(self, metric_state: MetricState, counted: np.ndarray) -> np.ndarray:
        columns = (metric_state["order"].T, metric_state["end"].T, metric_state["present"].T, counted.T)
        return np.array([average_precision(*tag) for tag in zip(*columns, strict=True)])

    def sample_errors(self, metric_state: MetricState) -> np.ndarray:
        chance = np.where(metric_state["present"] > 0, metric_state["chances"], 1 - metric_state["chances"])
        loss = -np.log(np.maximum(chance, 1e-15)) * metric_state["labelled"]
        return np.asarray(loss.sum(axis=1) / np.maximum(metric_state["labelled"].sum(axis=1), 1))

    def calibration(self, metric_state: MetricState) -> dict[str, dict[str, float]]:
        if self.added:  # two temperatures, one of which was fitted to other pictures
            return {}
        asked = metric_state["labelled"] > 0
        if not asked.any():
            return {}
        picture, present = np.nonzero(asked)[0], metric_state["present"][asked]
        chances = np.clip(metric_state["chances"], 1e-15, 1 - 1e-15)
        raw = self._temperature * (np.log(chances) - np.log1p(-chances) - np.array(self._offsets))

        def figures(chances: np.ndarray) -> dict[str, float]:
            own = chances[asked]
            of_truth = np.where(present > 0, own, 1 - own)
            return confidence_figures(own, present, of_truth, (1 - of_truth) ** 2, picture)

        return {"before": figures(sigmoid(raw + self._usual_offsets)), "after": figures(chances)}

    def details(self, metric_state: MetricState) -> list[Detail]:
        labelled, present = metric_state["labelled"], metric_state["present"]
        hits, predicted, actual = (metric_state[name].sum(axis=0) for name in ("hit", "chosen", "present"))
        with np.errstate(invalid="ignore", divide="ignore"):
            precision, recall = hits / predicted, hits / actual
        ap = self._average_precisions(metric_state, labelled)
        columns = (
            labelled.sum(axis=0).astype(int),
            actual.astype(int),
            ap,
            precision,
            recall,
            f1(hits, predicted, actual),
        )
        rows = zip(self._classes, *(column.tolist() for column in columns), self._thresholds, strict=True)
        chances = metric_state["chances"].ravel()
        bins = mean_bins(chances, metric_state["rank"].ravel(), present.ravel(), labelled.ravel())
        header = ("tag", "pictures", "with it", "AP", "precision", "recall", "F1", "threshold")
        return [
            Grid("Per tag", header, tuple(rows)),
            Curve("Calibration", "probability", "share with the tag", bins[0], bins[1], diagonal=True),
            *calibration_grid(self.calibration(metric_state)),
        ]

    def uncertainty(self, predictions: Sequence[Prediction]) -> np.ndarray:
        """Of the tag that is nearest to as likely as not."""
        chances = [np.array(list(one["probabilities"].values())) for one in predictions]
        return np.array([1 - np.abs(2 * own - 1).min() for own in chances], dtype=np.float64)

    def suspicions(
        self, predictions: Sequence[Prediction], answers: Sequence[TagAnnotations]
    ) -> list[Suspicion]:
        """Each tag as a label of two classes, see ``doubted_labels``; one suspicion
        for a picture, as doubtful as its most doubtful tag.
        """
        words = sorted({tag for one in predictions for tag in one["probabilities"]})
        doubts, chances = np.zeros((2, len(answers), len(words)))
        likely = np.zeros(doubts.shape, dtype=bool)
        for column, tag in enumerate(words):
            asked = np.array([is_queried(tag, answer.queried) for answer in answers], dtype=bool)
            yes = np.array([tag in answer.present for answer in answers], dtype=np.int64)[asked]
            own = np.array([one["probabilities"].get(tag, 0.0) for one in predictions])
            chances[:, column] = own
            both = np.stack([1 - own[asked], own[asked]], axis=1)
            _, scores, likely[asked, column] = doubted_labels(both, yes)
            doubts[asked, column] = np.where(scores > 0.5, scores, 0.0)
        return [
            self._suspicion(row, answers[row], words, doubts[row], chances[row], likely[row].any())
            for row in np.flatnonzero(doubts.any(axis=1)).tolist()
        ]

    def _suspicion(
        self,
        row: int,
        answer: TagAnnotations,
        words: Sequence[str],
        doubts: np.ndarray,
        chances: np.ndarray,
        likely: bool,
    ) -> Suspicion:
        order = [column for column in np.argsort(-doubts, kind="stable").tolist() if doubts[column] > 0]
        other = answer._replace(present=answer.present ^ {words[column] for column in order})
        reasons = [
            f"{words[column]} is {'too much' if words[column] in answer.present else 'missing'}"
            f" ({chances[column]:.0%})"
            for column in order
        ]
        cells = self._known_cells(other)
        texts, score = (self.format(answer), self.format(other)), float(doubts.max())
        return Suspicion(row, *texts, score, bool(likely), ", ".join(reasons), cells)

    def _known_cells(self, answer: TagAnnotations) -> dict[str, str] | None:
        """None where only some tags were looked for and one cell would say that all were."""
        cells = self.correction(self.raw_value(answer))
        if answer.queried is None or cells is None:
            return cells
        known = {field: cell for field, cell in cells.items() if field in answer.queried}
        return known if len(self.fields) > 1 else None

    def raw_value(self, answer: TagAnnotations) -> list[str]:
        return sorted(answer.present)

    def format(self, answer: TagAnnotations) -> str:
        return ", ".join(sorted(answer.present)) or "none"

    def format_prediction(self, prediction: Prediction) -> str:
        return ", ".join(prediction["values"]) or "none"

    def state(self) -> dict[str, Any]:
        added = {"added_temperature": self._added_temperature} if self.added else {}
        return {
            "classes": self._classes,
            "shares": self._shares,
            "temperature": self._temperature,
            "offsets": self._offsets,
            "thresholds": self._thresholds,
            **added,
            **({"sets": self._sets.state()} if self._sets else {}),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        require_declared(state["classes"], [*self.classes, *self.added] if self.classes else [])
        require_added(state["classes"], self.added)
        self._added_temperature = state.get("added_temperature", 1.0)
        self._classes, self._shares = state["classes"], state["shares"]
        self._temperature, self._thresholds = state["temperature"], state["thresholds"]
        self._offsets = state["offsets"] or [0.0] * self.width
        self._sets = PredictionSets.restored(state.get("sets"))


def column_of(rows: np.ndarray, column: int) -> np.ndarray:
    """float64 [n] of [n, k]."""
    return np.asarray(rows[:, column], dtype=np.float64)


def best_threshold(chances: np.ndarray, present: np.ndarray, usual: float = 0.5) -> float:
    """The threshold with the highest F1, halfway between two neighbouring probabilities; the ``usual`` one
    where fewer than five pictures have the tag or five do not, too few to choose by.
    """
    if min(present.sum(), (1 - present).sum()) < 5:
        return float(usual)
    order = np.argsort(-chances, kind="stable")
    ranked = chances[order]
    hits = np.cumsum(present[order])
    scores = 2 * hits / (np.arange(1, len(ranked) + 1) + present.sum())
    scores[:-1][ranked[:-1] == ranked[1:]] = -1  # a threshold cannot part equal probabilities
    best = int(np.argmax(scores))
    below = ranked[best + 1] if best + 1 < len(ranked) else 0.0
    return float((ranked[best] + below) / 2)
