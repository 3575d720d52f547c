"""The form of the plain files of a run folder, which may be a stranger's, or damaged.

What tasks have learned has a form for each type of task: see ``storage.task_state``.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator

from oneglance.toml.tables import first_wrong, is_plain

Value = TypeVar("Value")

Score = float | None  # finite, see ``Part``; None: undefined

MIDDLE = "middle "  # before the names of arrays that are about features from halfway up a backbone


class Part(BaseModel):
    """What all have in common: numbers are finite, and no text is taken for one."""

    model_config = ConfigDict(frozen=True, strict=True, allow_inf_nan=False)


class KeptOverrides(Part):
    """overrides.json."""

    base: str  # where relative paths of config.toml start
    overrides: dict[str, Any] | None = None
    set: list[str] | None = None  # in their place in version 0.1.0: the --set arguments

    @model_validator(mode="after")
    def _has_one(self) -> KeptOverrides:
        if (self.overrides is None) == (self.set is None):
            raise ValueError("overrides")
        if "\0" in self.base:
            raise ValueError("a path as base")
        if not is_plain(self.overrides):
            raise ValueError("overrides of plain values")
        return self


class Unreadable(Part):
    """A picture in unreadable.json."""

    image: str
    error: str


class Epoch(Part):
    """A line of history.jsonl."""

    model_config = ConfigDict(extra="allow")

    epoch: int = Field(ge=1)
    loss: dict[str, Score] = {}
    validation: dict[str, dict[str, Score]] = {}  # by task and metric
    skill: Score
    kept: bool
    rate: float = 0.0
    gradients: dict[str, dict[str, float]] = {}
    seconds: float = Field(ge=0, le=1e9)
    elapsed: float = Field(0.0, ge=0, le=1e9)  # since the training began, validation included


Digest = Annotated[str, Field(max_length=64)]


class KeptFingerprint(Part):
    """fingerprint.json."""

    configuration: dict[str, Any]
    pictures: list[Digest]
    answers: dict[str, list[Digest]]


class KeptStart(Part):
    """start.json."""

    run: str
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
    heads: list[str] = []
    new: dict[str, str] = {}


class KeptLength(Part):
    """length.json."""

    model_config = ConfigDict(extra="forbid")

    minutes: float = Field(gt=0)
    epochs: int = Field(ge=1, le=10**9)
    epoch_seconds: float = Field(gt=0)
    steps: int | None = Field(default=None, ge=1, le=10**12)


Count = Annotated[int, Field(ge=0, le=10**12)]


class KeptPosition(Part):
    """How far a training has come, in resume.pt."""

    epoch: Count
    step: Count
    updates: Count
    seconds: float = Field(ge=0)
    epochs: Count = 0  # that the training was to have; 0 in files of earlier versions
    changed: Count = 0
    share: float = Field(0.0, ge=0, le=1)


class KeptSelection(Part):
    """Which epoch is kept so far, in resume.pt; a skill may be NaN."""

    model_config = ConfigDict(extra="forbid")

    epoch: Count
    validation: dict[str, dict[str, float | None]]
    best: Count
    skills: list[Annotated[float, Field(allow_inf_nan=True)]]


class KeptEnvironment(Part):
    """What a program needs of environment.json, which is for people."""

    feature_seconds: float = Field(0.0, ge=0, le=1e12)  # of the pass through a frozen backbone
    teacher_seconds: float = Field(0.0, ge=0, le=1e12)  # of the passes through the teachers


class KeptAnswer(Part):
    """The truth, "" where nobody knows it, and what the network answers."""

    truth: str
    answer: str


class KeptExample(Part):
    """A validation picture, as a data URL of JPEG or "" where it cannot be read, with answers by task."""

    image: str
    picture: str = Field(pattern=r"^(data:image/jpeg;base64,[A-Za-z0-9+/=]+)?$")
    answers: dict[str, KeptAnswer]


class KeptExamples(Part):
    """examples.json."""

    epoch: Count
    pictures: list[KeptExample]


EXAMPLES = TypeAdapter(KeptExamples)
ENVIRONMENT = TypeAdapter(KeptEnvironment)


# A folder directly in another one: no path, and nothing that a system hides.
FolderName = Annotated[
    str, Field(min_length=1, max_length=200, pattern=r"^[^./\\\x00-\x1f][^/\\\x00-\x1f]*$")
]


class KeptNetwork(Part):
    """One of the networks of combined.json."""

    name: FolderName
    rename: dict[str, str] = {}  # own name of a task -> its name among all


class KeptCombination(Part):
    """combined.json."""

    version: int
    networks: list[KeptNetwork] = Field(min_length=1)


class KeptScore(Part):
    """A score with its interval."""

    value: float
    low: float
    high: float
    n: Count


class KeptHeld(Part):
    """A task of held.json."""

    metric: str
    before: KeptScore
    after: float
    worse: bool


HELD = TypeAdapter(dict[str, KeptHeld])
COMBINED = "combined.json"
ANSWERING = ("weights.safetensors", "tasks.json")  # files on which the answers of a run depend
COMBINATION = TypeAdapter(KeptCombination)
POSITION, SELECTION = TypeAdapter(KeptPosition), TypeAdapter(KeptSelection)
OVERRIDES = TypeAdapter(KeptOverrides)
UNREADABLE = TypeAdapter(list[Unreadable])
HISTORY = TypeAdapter(list[Epoch])
FINGERPRINT = TypeAdapter(KeptFingerprint)
LENGTH = TypeAdapter(KeptLength)
START = TypeAdapter(KeptStart)
EARLIER_SPLITS = TypeAdapter(dict[Digest, Literal["train", "validation", "test"]])
READS = TypeAdapter(dict[str, Count])  # how often each split was scored
MEMORY = TypeAdapter(dict[str, Annotated[float, Field(ge=0, le=1e12)]])  # megabytes
SPLIT = TypeAdapter(list[tuple[str, str, str]])  # picture, group, split


class OtherForm(ValueError):  # noqa: N818 - not an error by itself: the reader of the file adds the place
    """A file holds something else; the message says what."""


def in_form(value: Any, form: TypeAdapter[Value]) -> Value:
    """``value`` as ``form`` has it.

    Raises:
        OtherForm: it has another.
    """
    try:
        return form.validate_python(value)
    except ValidationError as error:
        raise OtherForm(first_wrong(error)) from None
