"""oneglance.toml as typed values: each key, its meaning and default stand here or in the member it names.

Tables of ``[[sources]]`` and ``[tasks]`` stay plain here: their keys are the fields of the member that
reads them (``data/sources/``, ``tasks/``), which this layer does not know.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, NamedTuple

from pydantic import Discriminator, Field, Tag

from oneglance.errors import ConfigError, command, nearest
from oneglance.storage.plain_files import exists, is_folder, read_plain, resolved
from oneglance.storage.remote.addresses import is_remote
from oneglance.toml.overrides import Changes, Overrides, plain
from oneglance.toml.tables import Table, known_keys, read_table, renamed_keys
from oneglance.toml.value_range import ValueRange
from oneglance.toml.writer import document


class SplitTable(Table):
    """[split]: which pictures train, which choose, which are kept for the last word."""

    test: float = Field(0.2, ge=0, lt=1)  # share of the pictures kept for `evaluate`
    validation: float = Field(0.1, gt=0, lt=1)  # share that stops, chooses and calibrates
    seed: int = Field(0, ge=0, lt=2**32)  # another seed draws another split


class PicturesTable(Table):
    """[pictures]: how a picture enters the network."""

    fit: Literal["letterbox", "crop"] = "letterbox"  # the whole with padding, or what fills the canvas
    megapixels: float = Field(200, gt=0)  # larger pictures are refused: a guard against bombs
    megabytes: float = Field(200, gt=0)  # the same for the file
    # Which values are black and white in files of more than 8 bits: `[0, 4095]`, or a pair for each kind of
    # numbers: `{ "16-bit" = [0, 4095], integer = [0, 10000], float = [0, 1] }`. `"auto"`: measured by `train`
    # over a sample of the training pictures, and kept in the run folder
    value_range: ValueRange = "auto"
    # `false`: training begins before every picture was read once, where nothing else needs that. Identical
    # pictures may then lie in two splits, and one that cannot be read is left out when its turn comes
    look_first: bool = True


class CacheTable(Table):
    """[cache]: decoded pictures in one memory-mapped file."""

    folder: str = ""  # where it lies; default: `$ONEGLANCE_CACHE`, else the user's cache folder
    # Limit of all caches together, the oldest go first; a set that is larger streams from its files
    gigabytes: float = Field(20, ge=0)
    workers: int = Field(0, ge=0)  # decoding processes; 0: one per core
    # What streams from tars, zips and Parquet files is read in turn, and mixed among so many gigabytes of
    # decoded pictures; 0: in any order, which looks for each picture anew
    shuffle_gigabytes: float = Field(0.5, ge=0)


Side = Annotated[int, Field(ge=8, le=4096)]
Size = Annotated[  # distinguished by hand, so that a message speaks of what the user meant
    Annotated[Side, Tag("side")] | Annotated[tuple[Side, Side], Tag("sides")],
    Discriminator(lambda written: "sides" if isinstance(written, list | tuple) else "side"),
]


class BackboneTable(Table):
    """[backbone]: the network that looks."""

    # `"small"`, `"classical"`, `"efficientnet_lite0"` (pretrained without internet; also 1 and 2), any model
    # of timm such as `"mobilenetv4_conv_small"`, or one of another package: an entry point, or
    # `"package.module:Class"`
    name: str = "small"
    # `"pretrained"` (installed, or from the hub and kept afterwards), `"none"`, or a file:
    # `"weights/mobilenetv2_100.safetensors"`; default: pretrained for timm models, none for others
    weights: str = ""
    options: dict[str, Any] = {}  # passed on to the backbone; for timm models to `timm.create_model`
    # Pixels of the canvas: the side of a square, or `[width, height]`. More shows finer things and takes
    # longer
    size: Size = 64
    # Answers are the mean over the picture and its mirror image, boxes aside: a little better, and predicting
    # takes twice as long
    mirror: bool = False
    # Only the heads learn, on features that are computed once: fast, and good for few pictures. No
    # augmentation then
    freeze: bool = False

    @property
    def canvas(self) -> tuple[int, int]:
        """Width and height of the canvas in pixels."""
        return (self.size, self.size) if isinstance(self.size, int) else self.size


Zoom = Annotated[float, Field(gt=0)]


class Strength(NamedTuple):
    """Keys of [augment] whose defaults depend on the length of the training."""

    shift: float
    scale: tuple[float, float]
    colour: float


# Figures: docs/results/recipes.md. A pretrained backbone that learns with AdamW.
PRETRAINED_RATE, PRETRAINED_DECAY = 0.001, 0.02
# What is seen a few times only is learned better as it is.
FEW_EPOCHS = 8
LIGHT = Strength(0.04, (0.95, 1.05), 0.0)
MODERATE = Strength(0.1, (0.8, 1.25), 0.2)


class AugmentTable(Table):
    """[augment]: what happens to whole batches of training pictures, on the training device."""

    # Left and right change places half of the time; `false` where sides matter: digits, text, maps
    flip: bool = True
    flip_vertical: bool = False  # the same for top and bottom: pictures from above, microscopes
    # Up to this share of the side, in whole pixels; default: 0.1, and 0.04 in a training of up to 8 epochs
    shift: float | None = Field(None, ge=0, le=0.5)
    # Zoom, drawn evenly on a log scale; default: [0.8, 1.25], and [0.95, 1.05] in up to 8 epochs
    scale: tuple[Zoom, Zoom] | None = None
    rotate: float = Field(0, ge=0, le=180)  # by up to so many degrees, either way
    # Brightness, contrast and saturation by up to this share; default: 0.2, and 0 in up to 8 epochs
    colour: float | None = Field(None, ge=0, le=1)
    # Each picture becomes a mixture of itself and changed copies (AugMix), for networks that will meet worse
    # pictures: see `oneglance robustness`. What is tested there is never trained on
    robust: bool = False
    # One change of any strength for each picture (TrivialAugment): turned, sheared, moved, with fewer shades
    trivial: bool = False
    erase: float = Field(0, ge=0, le=1)  # probability of blanking a rectangle
    mixup: float = Field(0, ge=0)  # two pictures laid over each other: alpha of the Beta distribution; 0: off
    # Share of pictures that are put together from four, where a task asks for boxes. They are then half as
    # wide: `0` where what you look for is small
    mosaic: float = Field(0.5, ge=0, le=1)
    border: Literal["grey", "reflection"] = "grey"  # what comes in from outside
    rest: float = Field(0.1, ge=0, le=1)  # the last share of the steps does without mosaic, mixup and erasing

    def strength(self, epochs: int) -> Strength:
        """How far the pictures of a training of so many epochs are changed."""
        usual = MODERATE if epochs > FEW_EPOCHS else LIGHT
        return Strength(
            usual.shift if self.shift is None else self.shift,
            usual.scale if self.scale is None else self.scale,
            usual.colour if self.colour is None else self.colour,
        )


Batch = Annotated[  # distinguished by hand, as `Size` is
    Annotated[Literal["auto"], Tag("word")] | Annotated[Annotated[int, Field(ge=1)], Tag("number")],
    Discriminator(lambda written: "word" if written == "auto" else "number"),
]
PIXELS_OF_BATCH = 64 * 128 * 128  # at most, with `"auto"`


class TrainingTable(Table):
    """[training]: the optimizer and when to stop."""

    renamed: ClassVar[Mapping[str, str]] = {
        "rate": "learning_rate",
        "backbone_rate": "backbone_learning_rate_scale",
        "private_stage": "task_stage",
    }

    epochs: int = Field(20, ge=1)  # how often each picture is seen
    # As many epochs as fit into so many minutes, measured before the first step once all pictures are
    # decoded; with `epochs`, at most these. Where less than three fit, an epoch is a part of the pictures
    minutes: float | None = Field(None, gt=0)
    # A finished run whose weights it starts from, such as `"runs/photos"`: those of the backbone, and of the
    # heads of tasks that have the same name, type and classes there
    from_: str = Field("", alias="from")
    # Tasks of the run in `from` that stay as they are to the bit, such as `["kind"]`: neither they nor the
    # backbone learn, and the data need not answer them. `oneglance extend` sets it
    keep: list[str] = []
    # Tasks of the run in `from` that learn on and may not get worse: where one ends below the interval of
    # that run's validation score, the training is not finished. `oneglance extend --tune` sets it
    hold: list[str] = []
    # With `hold`: pictures in an epoch that answer none but such tasks, for each of the others; drawn anew
    # for every epoch
    rehearsal: float = Field(0.25, ge=0)
    # Finished runs, or `.onnx` files, that answer some of the tasks: `["runs/kind", "runs/price"]`. Each such
    # task also learns from its teacher, on all pictures, also where nobody has answered it
    teachers: list[str] = []
    # What a teacher's answer counts where somebody has answered: the share of the true one that it takes;
    # default: 0.5, and 0 for numbers, to which a teacher only adds its error
    teacher_weight: float | None = Field(None, ge=0, le=1)
    # How much the shared features also learn to predict those of the teachers, beside tasks whose weights
    # sum to 1, by a linear layer for each that the finished network does not have; 0: only answers are taught
    teacher_features: float = Field(0.0, ge=0)
    # `"plain"`: a teacher is asked once about each picture as it is, and its answers are kept. `"same"`: in
    # every step about the pictures as they are changed there, which takes longer by its passes
    teacher_views: Literal["plain", "same"] = "plain"
    # Pictures per step; `"auto"`: 64, of more than 128 pixels fewer, down to 16. What does not fit into
    # memory comes in parts, with the same result but for batch norm
    batch: Batch = 64
    optimizer: Literal["adamw", "sgd", "muon"] = "adamw"  # muon: the quickest from scratch, in large batches
    # At its top; of muon, by how much of its size a step turns a layer; default: adamw 0.002, or 0.001 for a
    # pretrained backbone that learns, sgd 0.05, muon 0.1
    learning_rate: float | None = Field(None, gt=0)
    # Times `learning_rate`: how fast the backbone learns; default: 1, and 0.25 for a pretrained one with sgd
    # or muon
    backbone_learning_rate_scale: float | None = Field(None, gt=0)
    layer_decay: float = Field(1.0, gt=0, le=1)  # earlier stages of the backbone learn slower by this factor
    momentum: float = Field(0.9, ge=0, lt=1)  # of sgd and muon
    nesterov: bool = True  # of sgd
    # For sgd choose about 0.0005; muon's matrices need none; default: 0.05, or 0.02 for a pretrained backbone
    # that learns with adamw
    weight_decay: float | None = Field(None, ge=0)
    warmup: float = Field(0.05, ge=0, lt=1)  # share of all steps in which the rate rises
    # How the rate falls after that: `"cosine"` or `"linear"` to zero, or not at all
    schedule: Literal["cosine", "linear", "constant"] = "cosine"
    clip: float = Field(5.0, ge=0)  # largest norm of the gradient; 0: no limit
    ema: float = Field(0.998, ge=0, lt=1)  # decay per step of the averaged weights, which are kept; 0: off
    patience: int = Field(0, ge=0)  # epochs without a better validation score before stopping; 0: never
    # How often the pictures of several sources come. 1: each once an epoch. Higher: those of small sources
    # again and again (a source of n pictures has a share of n^(1/temperature))
    source_temperature: float = Field(1.0, ge=1)
    # Each task gets as many pictures with an answer in every step as a network of its own would: where each
    # source knows a part, a step has `batch` pictures for each. Steps are larger then, and an epoch has fewer
    source_quota: bool = False
    # How tasks share the backbone: one of the balancers below, or one of another package: an entry point, or
    # `"package.module:Class"`
    balancer: str = "equal"
    balancer_options: dict[str, Any] = {}  # its keys, such as `{ floor = 0.1 }` of `log_sum`
    # Tasks that get the backbone's last stage for themselves, such as `["price"]`: for one that the others
    # disturb. Or a table that says what each gets, `{ price = "stage", kind = "adapter" }`; an adapter is
    # much smaller
    task_stage: list[str] | dict[str, Literal["stage", "adapter"]] = []
    precision: Literal["auto", "fp32", "bf16"] = (
        "auto"  # auto: the faster one here, measured in the first steps
    )
    compile: bool = False  # use `torch.compile`
    checkpoint_minutes: float = Field(3.0, gt=0)  # a checkpoint so often, and after every epoch
    device: str = "auto"  # `"cpu"`, `"cuda"`, `"mps"`; auto: a GPU if there is one
    tensorboard: bool = False  # also write events for TensorBoard; needs `oneglance[tensorboard]`
    seed: int = Field(0, ge=0, lt=2**32)  # same seed, same machine: same result


LARGEST = 4_000_000  # bytes of a configuration
DEEPEST = 100  # parts of one key: tomllib takes the square of their number
UNNAMED = "configuration"  # how messages call one that comes from no file


class Config(Table):
    """The whole file, as values. Of one made by hand, relative paths start in the working directory."""

    sources: list[dict[str, Any]] = Field(min_length=1)
    tasks: dict[str, dict[str, Any]] = Field(min_length=1)
    split: SplitTable = SplitTable()
    pictures: PicturesTable = PicturesTable()
    cache: CacheTable = CacheTable()
    backbone: BackboneTable = BackboneTable()
    augment: AugmentTable = AugmentTable()
    training: TrainingTable = TrainingTable()

    # Not keys of the file, but where it came from.
    text: str = Field("", exclude=True)  # byte for byte what the user wrote
    file: str = Field(UNNAMED, exclude=True)  # how messages call it
    base: Path = Field(Path(), exclude=True)  # relative paths start here
    overrides: dict[str, Any] = Field({}, exclude=True)  # made to the text, see ``Changes``

    @property
    def batch(self) -> int:
        """Pictures of a training step. ``"auto"`` asks neither the machine nor its memory, so that the same
        seed learns the same.
        """
        if self.training.batch != "auto":
            return self.training.batch
        width, height = self.backbone.canvas
        return max(16, min(64, PIXELS_OF_BATCH // (width * height) // 8 * 8))

    def with_changes(self, overrides: Overrides) -> Config:
        """The same configuration with some keys changed; ``overrides`` remembers them.

        Raises:
            ConfigError: an impossible key or value.
        """
        changes = Changes.of(overrides)
        return _validated(
            changes.apply(self.model_dump(exclude_unset=True, by_alias=True)),
            text=self.text,
            file=self.file,
            base=self.base,
            overrides=Changes(self.overrides).followed_by(changes),
        )


ConfigSource = str | Path | Mapping[str, Any] | Config
"""Where a configuration comes from: the path of a file, a mapping of the same form, or one that is read."""


def load(source: ConfigSource, overrides: Overrides = ()) -> Config:
    """Read a configuration and change some of its keys.

    Args:
        source: relative paths of a mapping start in the working directory.
        overrides: ``"training.epochs=5"``, a list of these, or ``{"training.epochs": 5}``.

    Raises:
        ConfigError: the file is missing, is not TOML, or holds an impossible key or value.
    """
    if isinstance(source, Config):
        if source.text:
            return source.with_changes(overrides)
        return load(source.model_dump(exclude_unset=True, by_alias=True), overrides)
    if isinstance(source, Mapping):
        tables = plain(source)
        return _read(tables, document(tables), UNNAMED, Path.cwd(), overrides)
    path = Path(source)
    if is_folder(path):
        resume = command("train", path, "--resume")
        begin = f"begin with: {command('init', path)}, or all at once: {command('start', path)}"
        raise ConfigError(
            "is a folder, not a configuration",
            location=str(path),
            hint=f"to go on with this run: {resume}" if exists(path / "config.toml") else begin,
        )
    try:
        text = read_plain(path, LARGEST).decode("utf-8")
    except FileNotFoundError:
        raise ConfigError(
            "there is no such file", location=str(path), hint="write one with: oneglance init PICTURES"
        ) from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"is not UTF-8 text (byte {error.start})", location=str(path)) from None
    except OSError as error:
        raise ConfigError(f"cannot be read ({error.strerror})", location=str(path)) from None
    return parse(text, base=resolved(path).parent, location=path.name, overrides=overrides)


def parse(
    text: str,
    *,
    base: Path,
    location: str = "oneglance.toml",
    overrides: Overrides = (),
    earlier: bool = False,
) -> Config:
    """The same for text that is already at hand.

    Args:
        location: names the text in messages.
        earlier: whether the text and ``overrides`` may be of an earlier version: keys that have another name
            now are then read as that.
    """
    if re.search(rf"(?<![\w-])(?:[\w-]++[ \t]*+\.[ \t]*+){{{DEEPEST}}}", text):
        raise ConfigError(f"has a key of more than {DEEPEST} parts", location=location)
    try:
        tables = tomllib.loads(text.removeprefix("\ufeff"))  # some editors begin a file with this mark
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"is not valid TOML: {error}", location=location) from None
    changes = Changes.of(overrides)
    if earlier:
        tables, changes = _with_new_keys(tables), Changes(_with_new_keys(changes))
    return _read(tables, text, location, base, changes)


def _with_new_keys(tables: Mapping[str, Any]) -> dict[str, Any]:
    """Tables, or values by dotted key, with the present names of keys that were renamed."""
    renamed_tables = {}
    for dotted, value in tables.items():
        section, dot, key = dotted.partition(".")
        renamed = renamed_keys(Config, [section])
        if not dot and isinstance(value, Mapping):
            value = {renamed.get(inner, inner): inside for inner, inside in value.items()}
        renamed_tables[f"{section}{dot}{renamed.get(key, key)}"] = value
    return renamed_tables


def _read(tables: Mapping[str, Any], text: str, file: str, base: Path, overrides: Overrides) -> Config:
    changes = Changes.of(overrides)
    return _validated(changes.apply(tables), text=text, file=file, base=base, overrides=changes)


def _validated(tables: Mapping[str, Any], *, file: str, base: Path, **origin: Any) -> Config:
    for word in {"text", "file", "base", "overrides"} & set(tables):
        raise ConfigError(f'has no key "{word}".{nearest(word, known_keys(Config, ()))}', location=file)
    config: Config = read_table(Config, tables, location=file)
    if config.cache.folder:
        if is_remote(config.cache.folder):
            raise ConfigError("[cache] folder has to be on this machine", location=file)
        folder = str(resolved(base / Path(config.cache.folder).expanduser()))
        config = config.model_copy(update={"cache": config.cache.model_copy(update={"folder": folder})})
    return config.model_copy(update={"file": file, "base": base, **origin})
