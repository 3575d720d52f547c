"""The contract of a task: one question about a picture. One file of ``tasks/`` is one type of question.

A task parses raw values of a source into answers (``read``), learns classes and scale from the training split
(``fit_target``), encodes answers as arrays (``encode``), adds a head and a loss to the network (``head``,
``loss``), and turns raw output into predictions that people can read (``calibrate``, ``decode``) and score
(``metric_state``, ``metrics``). Nobody asks a task what type it is.
Longer than 400 lines because each method of the contract says what it gives and raises.
Torch ends at the raw output: all after it is NumPy, the same for torch, ONNX and HTTP.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self

import numpy as np
from pydantic import AfterValidator, Field, PrivateAttr

from oneglance.data.cell import as_text, without_invisible
from oneglance.data.merging.merge_answers import merge_same
from oneglance.data.writer import in_a_cell
from oneglance.errors import ConfigError, DataError, InvalidAnswer, nearest
from oneglance.members import MemberKind, find_member, member_names
from oneglance.metrics.label_errors import outliers
from oneglance.metrics.suspicion import Suspicion
from oneglance.report_items import Detail, ExplainedAnswer
from oneglance.storage.task_state import Form, InvalidState, PlainState
from oneglance.toml.tables import Table, read_table

if TYPE_CHECKING:
    from torch import Tensor, nn

    from oneglance.batch_transform import Mix, View
    from oneglance.data.images.letterbox import Placement
    from oneglance.nn.feature_shape import Shape

Target = dict[str, np.ndarray]
"""Encoded answers, by name; the first axis of each array is the picture."""

Prediction = dict[str, Any]
"""One answer as ``predict`` writes it: plain values that JSON can hold."""

MetricState = dict[str, Any]
"""What metrics need of the labelled pictures, computed once, for metrics are computed for many resamples."""


Words = Annotated[list[str], AfterValidator(lambda words: list(map(as_text, words)))]
"""Words of the data, as cells are read."""


def _without_chains(joined: dict[str, str]) -> dict[str, str]:
    words = {as_text(word): as_text(other) for word, other in joined.items()}
    if chained := sorted(set(words) & {other for word, other in words.items() if word != other}):
        raise ValueError(f'the last word of each, for "{chained[0]}" is read as another one itself')
    return words


Joined = Annotated[dict[str, str], AfterValidator(_without_chains)]
"""Word -> the word that it counts as."""


class Task(Table, ABC):
    """One [tasks.NAME] table. The fields are its keys; a member adds those that only its type needs."""

    # One of the types below, or one of another package: an entry point, or `"package.module:Class"`
    type: str
    # The field that holds the answer; a list for tags with one yes/no column each; default: the name of the
    # task
    from_: str | list[str] = Field("", alias="from")
    # Words of the data that mean "nobody knows", besides an empty cell: `["?", "n/a"]`
    unknown: Words = []
    # Words of the data that are read as another one: `{ Dog = "dog", dogs = "dog" }`. `"look-alikes"`: words
    # that look the same are the same, whatever their spaces, invisible characters and Unicode form
    joined: Joined | Literal["look-alikes"] = Field({}, alias="join")
    weight: float = Field(1.0, ge=0)  # of this task's loss among the others; 0: it learns nothing
    uses: list[str] = []  # other tasks whose own features this one's head sees beside the shared ones

    _name: str = PrivateAttr("")

    primary_metric: ClassVar[str]  # decides between epochs and networks; one of metrics()
    best: ClassVar[float] = 1.0  # its value when every answer is right
    is_spatial: ClassVar[bool] = False  # its answers lie somewhere in the picture, and its head needs maps
    learned: ClassVar[Form] = PlainState  # the form of state(), by which restore() is guarded
    meaning: ClassVar[Mapping[str, str]] = {}  # what each metric says, in a few words for the report
    # Metrics free of the noise of few pictures, for which a copy of a picture is no further picture: weights
    # say how often a picture was drawn, not how many pictures there are.
    debiased_metrics: ClassVar[frozenset[str]] = frozenset()

    @property
    def name(self) -> str:
        return self._name

    def word(self, raw_value: Any) -> str:
        """A word of the data, where it counts as another one that other one."""
        text = as_text(raw_value)
        if isinstance(self.joined, str):
            return without_invisible(text)
        return self.joined.get(text, text)

    @property
    def fields(self) -> tuple[str, ...]:
        """Where its answer stands in a source."""
        if isinstance(self.from_, str):
            return (self.from_ or self.name,)
        return tuple(self.from_)

    @property
    def answered_by(self) -> str:
        """The task whose answers it learns from: itself, another, or "" if it needs none."""
        return self.name

    @property
    def views(self) -> int:
        """Augmented copies of each picture of a batch that it needs."""
        return 1

    @property
    def metric_unit(self) -> str:
        """The unit of its primary metric, such as g; "" where it has none."""
        return ""

    @property
    def added_classes(self) -> Sequence[str]:
        """Classes that it has beside those of the finished task that was extended by them."""
        return ()

    def grow(self, before: Task, answers: Sequence[Any]) -> None:
        """Take over what ``before`` has learned, and learn the ``added_classes`` from labelled answers of the
        training split.

        Raises:
            DataError: they cannot be learned from these.
        """
        raise DataError("its type cannot learn further classes", location=self.name)

    @property
    def attribute_names(self) -> Collection[str]:
        """What else it asks of each of its detections."""
        return ()

    def detection_cells(self, label: str, attributes: Mapping[str, Any]) -> dict[str, str]:
        """What people say of one detection, as a row of a table of boxes holds it beside the edges.

        Args:
            label: its class.
            attributes: the answers to some of ``attribute_names``, each a word, a number or a list.

        Raises:
            InvalidAnswer: they are no answers of this task, or no cell can say them.
        """
        return {"label": label}

    def detection_rows(self, answer: Any) -> list[dict[str, str]]:
        """The detections of a typed answer, each as a row of a table of boxes with its edges."""
        return []

    def detection_keys(self) -> dict[str, str]:
        """Further keys, as TOML writes them, of a [[sources]] that reads such a table."""
        return {}

    def standalone(self, hidden: Sequence[int] = ()) -> Self:
        """A copy that uses no other task, and whose head has ``hidden`` layers of these widths if it is one
        of layers.
        """
        return self.model_copy(deep=True, update={"uses": []})

    def join(self, others: Mapping[str, Task], location: str, section: str) -> None:
        """Meet the other tasks of the configuration, once all of ``section`` of the file ``where`` are read.

        Raises:
            ConfigError: it names a task that does not fit.
        """

    # Answers of people.

    @abstractmethod
    def read(self, raw_value: Any, queried: Sequence[str] | None = None) -> Any:
        """The typed answer, or None for a word that means unknown.

        Args:
            raw_value: what the source holds: text of a cell, a list, a number; ``{field: raw value}`` where
                the task names several fields.
            queried: the classes that the annotators of this source looked for; None: all.

        Raises:
            InvalidAnswer: it cannot be such an answer; with a hint.
        """

    def to_cells(self, raw_value: Any) -> dict[str, str]:
        """``raw_value``, a word, a number or a list, as the cells of a table hold it: text by field, which
        ``read`` understands in the same way.

        Raises:
            InvalidAnswer: it is no answer of this task, or no cell can say it.
        """
        answer = self.read(raw_value)
        if answer is None:
            raise InvalidAnswer("is a word that means unknown", "leave the task out")
        text = in_a_cell(raw_value)
        if len(self.fields) == 1 and self.read(text) == answer:
            return {self.fields[0]: text}
        raise InvalidAnswer("cannot be written in a cell of a table")

    def correction(self, raw_value: Any) -> dict[str, str] | None:
        """``to_cells``, or None where no cell can say it."""
        try:
            return self.to_cells(raw_value)
        except InvalidAnswer:
            return None

    def stratify_labels(self, answer: Any) -> Iterable[str]:
        """The classes that ``answer`` counts for, where the task has classes."""
        return ()

    def merge(self, first: Any, second: Any) -> Any:
        """One answer of two that sources give for the same picture; called only where they differ.

        Raises:
            InvalidAnswer: they contradict each other; see ``data.merging.merge_answers.MergeAnswers``.
        """
        return merge_same(self.name, first, second)

    @abstractmethod
    def fit_target(self, answers: Sequence[Any]) -> None:
        """Learn classes and scale from the labelled answers of the training split.

        Raises:
            DataError: nothing can be learned from them.
        """

    @abstractmethod
    def encode(self, answers: Sequence[Any | None]) -> Target:
        """Arrays over all of ``answers``, each encoded for itself; None gives an unknown target."""

    def to_canvas(self, answer: Any, placement: Placement) -> Any:
        """An answer about an upright picture as one about its canvas; only what has a position changes."""
        return answer

    # Torch.

    @abstractmethod
    def head(self, shape: Shape) -> nn.Module:
        """A module from a vector [n, shape.vector] and maps [n, c, h, w], as ``shape.maps`` says, to (own
        features [n, k], raw output [n, ...]); its ``own`` is k.
        """

    def queried_mask(self, target: Mapping[str, Tensor]) -> Tensor:
        """bool [n, k]: which classes with positions the annotators of each picture looked for."""
        some = next(iter(target.values()))
        return some.new_zeros((len(some), 0)).bool()

    def transform_target(self, target: Mapping[str, Tensor], view: View) -> dict[str, Tensor]:
        """The target of the pictures that ``view`` shows. An answer about a whole picture holds of every
        picture that shows nothing else; of several at once it is unknown.
        """
        import torch

        if view.tiles.shape[1] == 1:
            return dict(target)
        alone = view.single_image
        unknown = {name: torch.as_tensor(array) for name, array in self.encode([None]).items()}
        return {
            name: torch.where(
                alone.view(-1, *[1] * (value.ndim - 1)), value, unknown[name].to(value.device, value.dtype)
            )
            for name, value in target.items()
        }

    @abstractmethod
    def loss(self, raw: Tensor, target: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        """(loss, labelled), of the same shape, element by element; the mask is applied by the caller."""

    def mixed_loss(self, raw: Tensor, target: Mapping[str, Tensor], mix: Mix) -> tuple[Tensor, Tensor]:
        """The same for pictures that were mixed: each answer counts by its share."""
        return _by_share(self.loss, raw, target, mix)

    # From a teacher: a finished network that answers the same question.

    def refuse_teacher(self, teacher: Task) -> None:
        """
        Raises:
            ConfigError: ``teacher``, the task of a finished network, cannot teach this one: another type,
                other classes, another unit; or this type brings no ``teach``. What is not learned yet is not
                compared.
        """
        if teacher.type != self.type:
            raise ConfigError(
                f"is of type {teacher.type} there and of type {self.type} here",
                hint="ask for the same type here, or leave this teacher out",
            )
        if type(self).teach is Task.teach or type(self).soft_target is Task.soft_target:
            raise ConfigError(
                f"tasks of type {self.type} cannot learn from a teacher: the type brings no `teach`",
                hint="take the run out of [training] teachers, or rename the task there",
            )

    def learn_from(self, teacher: Task) -> None:
        """Take classes and scale from ``teacher``, where nobody has answered; else see ``fit_target``.

        Raises:
            DataError: they do not fit the table of this task.
        """
        try:
            self.restore(teacher.state())
        except InvalidState as error:
            raise DataError(f"cannot learn from its teacher alone: {error}", location=self.name) from None

    def prepare_to_teach(self, head: nn.Module) -> None:
        """As the task of a teacher whose network is at hand: from now on its ``head`` there may give more
        than answers need, as long as ``decode`` understands it.
        """

    def soft_target(
        self, raw: np.ndarray, teacher: Task, places: Sequence[tuple[Placement, Placement]] | None = None
    ) -> Target:
        """What ``teacher`` says of n pictures, as arrays that ``teach`` learns from.

        Args:
            raw: float32 [n, ...], the raw output of the teacher's network, as any engine gives it.
            teacher: its task, which ``refuse_teacher`` has let pass.
            places: of each picture, how it lies on the teacher's canvas and on that of this network; None:
                alike. Only what has a position needs it.

        Returns:
            float32 or whole-numbered arrays whose first axis is the picture; among them ``trust``, float32
            [n, ...] in 0 to 1: how much each answer counts. An unsure teacher teaches less.
        """
        raise NotImplementedError

    def teach(self, raw: Tensor, soft: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        """(loss, weight) of the raw output against ``soft_target``, element by element, of the same shape as
        ``loss`` gives, and of its size: an answer of a sure teacher counts as much as a true one. The loss is
        least where the network answers as its teacher.
        """
        raise NotImplementedError

    def mixed_teach(self, raw: Tensor, soft: Mapping[str, Tensor], mix: Mix) -> tuple[Tensor, Tensor]:
        """The same for pictures that were mixed after their teacher saw them."""
        return _by_share(self.teach, raw, soft, mix)

    def transform_soft_target(self, soft: Mapping[str, Tensor], view: View) -> dict[str, Tensor]:
        """The soft target of the pictures that ``view`` shows, after a teacher saw the old ones."""
        alone = view.single_image
        trust = soft["trust"]
        return {**soft, "trust": trust * alone.view(-1, *[1] * (trust.ndim - 1)).to(trust.dtype)}

    def says_something(self, soft: Target) -> bool:
        """Whether anything can be learned from the soft target of all pictures."""
        return bool((soft["trust"] > 1e-3).any())

    def disagreement(self, soft: Target, target: Target) -> str:
        """Why the teacher of ``soft`` cannot mean what people mean by ``target``, such as another unit, in
        words; "" where it may.
        """
        return ""

    def drawn_answer(self, prediction: Prediction, random: np.random.Generator) -> Any | None:
        """A typed answer in the place of an unknown one, drawn with the probabilities of ``prediction``, so
        that whoever is calibrated or scored by many of them is as sure as the network; None: there is none.
        """
        return None

    # NumPy, after any engine.

    @abstractmethod
    def constant_raw(self) -> np.ndarray:
        """The raw output [1, ...] of the constant baseline: the best answer without the picture."""

    @abstractmethod
    def calibrate(self, raw: np.ndarray, answers: Sequence[Any | None]) -> None:
        """Fit temperature, thresholds or interval on the validation split."""

    def fit_sets(self, raw: np.ndarray, answers: Sequence[Any | None], groups: Sequence[str]) -> None:
        """After ``calibrate``: fit sets of answers with a promised coverage on the validation split, where
        there are answers enough.

        Args:
            groups: of each picture; "": it is independent of all others.
        """

    def refuse_few_answers(
        self, training: Sequence[Any | None], validation: Sequence[Any | None], groups: Sequence[str]
    ) -> None:
        """Called before ``fit_target``.

        Args:
            training, validation: the answers of both splits.
            groups: of the validation pictures; "": independent of all others.

        Raises:
            DataError: the answers of the validation split are too few for what its table asks for.
        """

    @abstractmethod
    def decode(self, raw: np.ndarray) -> list[Prediction]:
        """One answer per row of ``raw``, about the canvas."""

    def to_image(self, prediction: Prediction, placement: Placement) -> Prediction:
        """The inverse of ``to_canvas``: an answer about the canvas as one about the upright picture."""
        return prediction

    def visible(self, prediction: Prediction) -> Prediction:
        """What a user sees of it; the rest is for scores alone."""
        return prediction

    @abstractmethod
    def metric_state(self, predictions: Sequence[Prediction], answers: Sequence[Any]) -> MetricState:
        """What metrics() needs, for labelled pictures."""

    @abstractmethod
    def metrics(self, metric_state: MetricState, weights: np.ndarray) -> dict[str, float]:
        """Every metric of this type, each picture counted ``weights`` times (float64 [n], at least one
        above 0); NaN where undefined. Cheap: called once per bootstrap resample.
        """

    @abstractmethod
    def sample_errors(self, metric_state: MetricState) -> np.ndarray:
        """float64 [n]: how wrong each answer is; larger is worse."""

    def calibration(self, metric_state: MetricState) -> dict[str, dict[str, float]]:
        """Metrics of its confidence before and after ``calibrate``; none where the type has no confidence."""
        return {}

    def details(self, metric_state: MetricState) -> list[Detail]:
        """What the report shows besides the metrics."""
        return []

    def suspicions(self, predictions: Sequence[Prediction], answers: Sequence[Any]) -> list[Suspicion]:
        """Those answers that are probably wrong.

        A type that brings no method of its own doubts the answers whose error lies apart from all others.

        Args:
            predictions: of networks that have not learned from these answers, about the upright pictures,
                with all that ``metric_state`` needs; of this task as it was fitted for each network.
            answers: about the same pictures, each known.
        """
        errors = self.sample_errors(self.metric_state(predictions, answers))
        scores = outliers(np.asarray(errors, dtype=np.float64))
        above = errors > np.median(errors) if len(errors) else errors
        return [
            Suspicion(
                row,
                self.format(answers[row]),
                self.format_prediction(self.visible(predictions[row])),
                float(scores[row]),
                bool(scores[row] > 0.5),
            )
            for row in np.flatnonzero(above).tolist()
        ]

    def uncertainty(self, predictions: Sequence[Prediction]) -> np.ndarray | None:
        """How unsure the network is of each prediction, float64 [n] in 0 to 1; None: the type cannot say."""
        return None

    def raw_value(self, answer: Any) -> Any:
        """A typed answer as ``to_cells`` takes it: a word, a number or a list."""
        return answer

    def constant_baseline(self, count: int) -> list[Prediction]:
        """The constant baseline, ``count`` times."""
        return self.decode(self.constant_raw()) * count

    def skill(self, value: float, constant: float) -> float:
        """The primary metric relative to the constant baseline: 0 is the baseline, 1 is perfect."""
        room = self.best - constant
        return (value - constant) / room if room else 0.0

    # For people.

    def brief(self, value: float) -> str:
        """The primary metric as the progress bar shows it."""
        return f"{value:.3f}"

    @abstractmethod
    def format(self, answer: Any) -> str:
        """A typed answer as a person reads it."""

    @abstractmethod
    def format_prediction(self, prediction: Prediction) -> str:
        """A prediction as a person reads it."""

    def detections(self, prediction: Prediction) -> list[Prediction]:
        """What lies somewhere in the picture: ``{"box", "label", "confidence", "attributes"}``."""
        return []

    def overlays(self, answer: Any) -> list[tuple[Sequence[float], str, int]]:
        """What of a typed answer can be drawn: (box x0 y0 x1 y1, caption, number of its class); the first
        lie on top.
        """
        return []

    def predicted_overlays(self, prediction: Prediction) -> list[tuple[Sequence[float], str, int]]:
        """The same of a prediction."""
        return []

    def explained_answers(self, raw: np.ndarray) -> list[ExplainedAnswer]:
        """What a user sees of the answer to one picture, part by part, so that one may ask for each what it
        rests on. By default it is one part: whatever leads away from the constant baseline.

        Args:
            raw: the raw output [1, ...] for that picture.
        """
        usual = np.asarray(self.constant_raw(), dtype=np.float64)
        if usual.shape != raw.shape:
            return []
        away = np.asarray(raw, dtype=np.float64) - usual
        words = self.format_prediction(self.visible(self.decode(raw)[0]))
        return [
            ExplainedAnswer(words, lambda rows: (rows * away).reshape(len(rows), -1).sum(axis=1), away[0])
        ]

    # The run folder.

    @abstractmethod
    def state(self) -> dict[str, Any]:
        """All that was learned and calibrated, as JSON values."""

    @abstractmethod
    def restore(self, state: Mapping[str, Any]) -> None:
        """The mirror of state(). ``state`` has the form of ``learned``.

        Raises:
            InvalidState: it does not fit the table of this task.
        """


KIND: MemberKind[Task] = MemberKind(
    Task,  # type: ignore[type-abstract]
    folder="oneglance.tasks",
    key="type",
    group="oneglance.tasks",
)


def kinds() -> list[str]:
    """The names of all types, in alphabetical order."""
    return member_names(KIND)


def task_class(kind: str, *, section: str = "", location: str = "") -> type[Task]:
    """``tags`` -> ``tasks/tags.py`` -> ``class Tags``; see ``members``.

    Raises:
        ConfigError: no such type; the message begins with ``location`` and ``section``.
    """
    return find_member(KIND, kind, section=section, location=location)


def build_tasks(
    tables: Mapping[str, Mapping[str, Any]], location: str = "oneglance.toml", section: str = "tasks"
) -> dict[str, Task]:
    """The tasks of the tables in [``section``], in an order in which each comes after those it ``uses``.

    Raises:
        ConfigError: every unknown type, key, or task in ``uses``, all at once; or a circle of uses.
    """
    built: dict[str, Task] = {}
    wrong: list[str] = []
    for name, table in tables.items():
        if "type" not in table:
            wrong.append(f'{location}: [{section}.{name}] needs the key "type".{nearest("", kinds())}')
            continue
        try:
            member = task_class(str(table["type"]), section=f"[{section}.{name}]", location=location)
            built[name] = read_table(member, table, location=location, section=f"{section}.{name}")
        except ConfigError as error:
            wrong.append(str(error))
            continue
        if not re.fullmatch(r"\w[\w -]*", name):
            wrong.append(f'{location}: [{section}."{name}"] a name is letters, digits, _, - and spaces')
        built[name]._name = name
        wrong.extend(
            f'{location}: [{section}.{name}] uses "{used}", which is no task.{nearest(used, tables)}'
            for used in built[name].uses
            if used not in tables
        )
    for task in built.values():
        try:
            task.join(built, location, f"{section}.{task.name}")
        except ConfigError as error:
            wrong.append(str(error))
    if wrong:
        raise ConfigError("\n".join(wrong))
    return _used_first(built, location)


def fit_targets(tasks: Mapping[str, Task], answers: Callable[[str], Sequence[Any | None]]) -> list[DataError]:
    """Every task learns its classes and scale from ``answers(name)``, None where unlabelled.

    Returns:
        Why each of the others cannot.
    """
    wrong = []
    for name, task in tasks.items():
        try:
            task.fit_target([answer for answer in answers(name) if answer is not None])
        except DataError as error:
            wrong.append(error)
    return wrong


def _by_share(
    of: Callable[[Tensor, Mapping[str, Tensor]], tuple[Tensor, Tensor]],
    raw: Tensor,
    target: Mapping[str, Tensor],
    mix: Mix,
) -> tuple[Tensor, Tensor]:
    """(loss, weight) of mixed pictures from those of each of the two."""
    loss, labelled = of(raw, target)
    loss_other, known_other = of(raw, {key: value[mix.partner] for key, value in target.items()})
    share = mix.share * labelled, (1 - mix.share) * known_other
    labelled = share[0] + share[1]
    return (share[0] * loss + share[1] * loss_other) / labelled.clamp(min=1e-12), labelled


def _used_first(built: Mapping[str, Task], location: str) -> dict[str, Task]:
    ordered: dict[str, Task] = {}
    while len(ordered) < len(built):
        ready = [n for n, t in built.items() if n not in ordered and all(u in ordered for u in t.uses)]
        if not ready:
            circle = ", ".join(name for name in built if name not in ordered)
            raise ConfigError(f"the tasks {circle} use each other in a circle", location=location)
        ordered.update({name: built[name] for name in ready})
    return ordered
