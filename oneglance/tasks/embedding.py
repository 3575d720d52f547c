"""embedding: where a picture lies among others, so that alike pictures lie near each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

import numpy as np
from pydantic import Field, PrivateAttr

from oneglance.batch_transform import Mix, View
from oneglance.errors import ConfigError, DataError, InvalidAnswer, RunError, nearest
from oneglance.metrics.retrieval import Neighbours, neighbours
from oneglance.metrics.weighted import weighted_mean
from oneglance.nn.feature_shape import Shape
from oneglance.report_items import ExplainedAnswer
from oneglance.storage.task_state import Form, InvalidState, LearnedState, Names
from oneglance.task import MetricState, Prediction, Target, Task

if TYPE_CHECKING:
    from torch import Tensor, nn

    from oneglance.data.images.letterbox import Placement


class LearnedEmbedding(LearnedState):
    """What an embedding has learned."""

    classes: Names


class Embedding(Task):
    """A vector of length 1 per picture; pictures that are alike have a small angle between them.

    Alike are pictures with the same answer to the label ``like``. Without it, two differently changed views
    of one picture are alike and all other pictures are not (Chen et al. 2020, SimCLR, arXiv 2002.05709); each
    picture then takes part twice, augmented in two ways, while training.
    """

    # The label whose equal answers make pictures alike. Without it, two changed views of one picture are
    # alike, and there is no score
    like: str = ""
    size: int = Field(64, ge=2, le=4096)  # numbers in the vector
    method: Literal["contrastive", "proxy"] = "contrastive"  # `"proxy"`: one vector per class of `like`
    temperature: float = Field(0.1, gt=0)  # smaller: the nearest wrong pictures matter more
    hidden: list[int] = []  # widths of the hidden layers of its head; none: a linear head
    dropout: float = Field(0.0, ge=0, lt=1)  # before each linear layer of the head

    _classes: list[str] = PrivateAttr(default_factory=list)

    learned: ClassVar[Form] = LearnedEmbedding
    primary_metric: ClassVar[str] = "recall_at_1"
    meaning: ClassVar[Mapping[str, str]] = {
        "recall_at_1": "share of pictures whose nearest other picture is alike",
        "map_at_r": "how well the alike pictures come first among the nearest (Musgrave et al. 2020)",
        "knn_accuracy": "share of pictures that a vote of the 10 nearest others names right",
    }

    @property
    def answered_by(self) -> str:
        return self.like

    @property
    def views(self) -> int:
        return 1 if self.like else 2

    def join(self, others: Mapping[str, Task], location: str, section: str) -> None:
        if self.like and self.like not in others:
            what = f'[{section}] like = "{self.like}", which is no task.{nearest(self.like, others)}'
            raise ConfigError(what, location=location)
        if self.like and others[self.like].type != "label":
            raise ConfigError(f'[{section}] like = "{self.like}", which is no label', location=location)
        if self.method == "proxy" and not self.like:
            raise ConfigError(f'[{section}] method = "proxy" needs `like`', location=location)

    def standalone(self, hidden: Sequence[int] = ()) -> Self:
        return super().standalone().model_copy(update={"hidden": list(hidden)})

    def read(self, raw_value: Any, queried: Sequence[str] | None = None) -> str:
        raise InvalidAnswer("is asked of no one", "take its column out")

    def fit_target(self, answers: Sequence[str]) -> None:
        self._classes = sorted(set(answers))
        if self.like and len(self._classes) < 2:
            raise DataError("needs pictures of two classes", location=self.name, hint="choose another `like`")

    def encode(self, answers: Sequence[str | None]) -> Target:
        if not self.like:
            return {"key": np.arange(len(answers))}
        index: dict[str | None, int] = {name: number for number, name in enumerate(self._classes)}
        return {"key": np.array([index.get(answer, -1) for answer in answers], dtype=np.int64)}

    # Torch.

    def head(self, shape: Shape) -> nn.Module:
        from oneglance.nn.projection import Projection

        return Projection(
            shape.vector,
            self.hidden,
            self.size,
            dropout=self.dropout,
            proxies=len(self._classes) if self.method == "proxy" else 0,
        )

    def transform_target(self, target: Mapping[str, Tensor], view: View) -> dict[str, Tensor]:
        import torch

        return {"key": torch.where(view.single_image, target["key"], -1)}

    def loss(self, raw: Tensor, target: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Divided by that of vectors that are all the same."""
        from oneglance.nn.projection import contrastive, proxy

        if self.method == "proxy":
            return proxy(raw[:, self.size :], target["key"], self.temperature)
        return contrastive(raw, target["key"], self.temperature)

    def mixed_loss(self, raw: Tensor, target: Mapping[str, Tensor], mix: Mix) -> tuple[Tensor, Tensor]:
        """A mixed picture counts as what it mostly shows, by its share."""
        loss, labelled = self.loss(raw, target)
        return loss, labelled * mix.share

    def soft_target(
        self, raw: np.ndarray, teacher: Task, places: Sequence[tuple[Placement, Placement]] | None = None
    ) -> Target:
        """The teacher's vectors, of any size."""
        vectors = np.array([one["vector"] for one in teacher.decode(raw)], dtype=np.float32)
        return {"vector": vectors, "trust": np.ones(len(raw), dtype=np.float32)}

    def teach(self, raw: Tensor, soft: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        """How far the cosines between the pictures of a batch are from the teacher's (Tung and Mori 2019,
        arXiv 1907.09682), divided by that of vectors that are all the same.
        """
        import torch.nn.functional as F

        ours = F.normalize(raw.float()[:, : self.size], dim=1)
        theirs, trust = soft["vector"], soft["trust"]
        wanted = theirs @ theirs.T
        pairs = trust[:, None] * trust
        pairs = pairs - pairs.diagonal().diag()
        count = pairs.sum(dim=1)
        usual = ((1 - wanted) ** 2 * pairs).sum() / pairs.sum().clamp(min=1e-12)
        off = ((ours @ ours.T - wanted) ** 2 * pairs).sum(dim=1) / count.clamp(min=1e-12)
        return off / usual.clamp(min=1e-6), trust * (count > 0)

    # NumPy, after any engine.

    def constant_raw(self) -> np.ndarray:
        row = np.zeros(
            (1, self.size + (len(self._classes) if self.method == "proxy" else 0)), dtype=np.float32
        )
        row[0, 0] = 1
        return row

    def calibrate(self, raw: np.ndarray, answers: Sequence[str | None]) -> None:
        """There is no confidence to calibrate."""

    def decode(self, raw: np.ndarray) -> list[Prediction]:
        if raw.shape[1] not in (self.size, self.constant_raw().shape[1]):
            raise ValueError(f"{raw.shape[1]} columns, where a vector has {self.size}")
        vectors = np.asarray(raw, dtype=np.float64)[:, : self.size]
        length = np.linalg.norm(vectors, axis=1, keepdims=True)  # not 1 where several views were averaged
        if not (length > 0).all():
            raise RunError("the network gives a vector without a direction: its weights are damaged")
        return [{"vector": row} for row in (vectors / length).tolist()]

    def explained_answers(self, raw: np.ndarray) -> list[ExplainedAnswer]:
        """Where the picture lies, by how far it moves from there. Nothing is nearer to it than it is itself,
        so gradients say nothing.
        """
        (own,) = self.decode(raw)

        def cosine(rows: np.ndarray) -> np.ndarray:
            return np.array([one["vector"] for one in self.decode(rows)]) @ np.array(own["vector"])

        return [ExplainedAnswer(self.format_prediction(own), cosine, None)]

    def metric_state(self, predictions: Sequence[Prediction], answers: Sequence[str]) -> MetricState:
        vectors = np.array([prediction["vector"] for prediction in predictions], dtype=np.float32)
        _, keys = np.unique(np.array(answers), return_inverse=True)
        state: Neighbours = neighbours(vectors.reshape(len(answers), -1), keys)
        return state._asdict()

    def metrics(self, metric_state: MetricState, weights: np.ndarray) -> dict[str, float]:
        counted = weights * metric_state["counts"]
        return {
            "recall_at_1": weighted_mean(metric_state["first"], counted),
            "map_at_r": weighted_mean(metric_state["precision"], counted),
            "knn_accuracy": weighted_mean(metric_state["voted"], counted),
        }

    def sample_errors(self, metric_state: MetricState) -> np.ndarray:
        return np.asarray((1 - metric_state["precision"]) * metric_state["counts"])

    # Words.

    def format(self, answer: str) -> str:
        return f"like {answer}"

    def format_prediction(self, prediction: Prediction) -> str:
        return f"{len(prediction['vector'])} numbers"

    # The run folder.

    def state(self) -> dict[str, Any]:
        return {"classes": self._classes}

    def restore(self, state: Mapping[str, Any]) -> None:
        if self.like and len(state["classes"]) < 2:
            raise InvalidState("classes are fewer than two")
        self._classes = state["classes"]
