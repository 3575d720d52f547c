"""Everything once, offline, on pictures that it draws itself."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

from oneglance.api import Run, train
from oneglance.data.inspection.checks import summary
from oneglance.data_api import check
from oneglance.errors import ConfigError, needs_extra
from oneglance.finished_api import predict
from oneglance.progress import Screen
from oneglance.screens.choice import default_screen
from oneglance.storage.atomic_files import make_folder, write_text

PICTURES = 1500


def demo(folder: str | Path = "demo", *, screen: Screen | None = None) -> Run:
    """Everything once, offline: draw pictures, check, train, evaluate, predict, and say where to look."""
    from oneglance.data.synthetic import write_scenes

    with needs_extra("train", "demo"):
        import_module("oneglance.training.trainer")  # a missing package is named before anything is written
        from oneglance.storage.run_folder import RunFolder, free_path
    screen = screen or default_screen()
    target = make_folder(Path(folder))
    data, config = target / "scenes", target / "oneglance.toml"
    if config.exists() and config.read_bytes() != DEMO.encode():
        raise ConfigError(
            "is another one already", location=str(config), hint="name a new folder for the demo"
        )
    screen.say("drawing pictures, with a few answers left out on purpose")
    write_scenes(data, PICTURES)
    write_text(config, DEMO)
    problems = check(config, screen=screen)
    # Here a background *is* its colour: that it can be told from that is no finding.
    for line in summary([problem for problem in problems if problem.kind != "shortcut"]):
        screen.say(line)
    run = train(config, out=free_path(target / "runs", "demo"), screen=screen)
    run.evaluate(screen=screen)
    unseen = [data / image for image, _, split in RunFolder(run.path).split() if split == "test"]
    screen.say(f"answering the {len(unseen)} pictures that it has not seen")
    predict(run.path, unseen, out=target / "answers.jsonl", screen=screen)
    return run


DEMO = """\
# What `oneglance demo` trains: drawn pictures with a real handwritten digit on each.
[[sources]]
path = "scenes/labels.csv"
group = "scene"
[[sources]]
path = "scenes/boxes.csv"   # the same pictures: what both say of one is known of it

[tasks.digit]
type = "label"
weight = 1.5        # this and the boxes are the hardest: they count more where tasks share the backbone
[tasks.background]
type = "label"
[tasks.shapes]
type = "tags"
none = ["none"]
[tasks.covered]
type = "number"
unit = "%"
weight = 0.5        # easy, and its error pulls as hard when it is small
[tasks.objects]
type = "boxes"
weight = 2.5
width = 32
depth = 1
levels = 2          # the two coarser maps: nothing here is tiny, and the finest costs more than all else
attributes.colour = { type = "label" }
[tasks.look]
type = "embedding"
like = "background"
size = 16

[backbone]
name = "small"
size = 64
options = { width = 32 }

[augment]
flip = false        # a mirrored digit is no digit
scale = [0.95, 1.05]
shift = 0.04        # little change: in so few steps more would only disturb
colour = 0
mosaic = 0

[training]
epochs = 9
batch = 32          # more steps than with larger ones
optimizer = "muon"  # learns more than adamw from each step, from nothing
momentum = 0.6
schedule = "linear" # of so few steps none should be lost at either end
warmup = 0
"""
