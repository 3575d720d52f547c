"""The verbs for finished networks: they answer, and become parts and teachers of others."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import closing
from pathlib import Path

from oneglance import config as configuration
from oneglance.api import Run, train
from oneglance.config import ConfigSource
from oneglance.errors import needs_extra
from oneglance.model import Picture, load, refs_of
from oneglance.progress import Screen
from oneglance.results.answers import Answers
from oneglance.results.distilled import Distilled
from oneglance.results.explained import Explained
from oneglance.results.label_next import LabelNext
from oneglance.results.merged import Merged
from oneglance.results.suspects import Suspects
from oneglance.screens.choice import default_screen
from oneglance.storage.plain_files import is_folder
from oneglance.toml.overrides import Overrides


def predict(
    run: str | Path,
    pictures: Picture | Iterable[Picture],
    *,
    out: str | Path | None = None,
    draw: str | Path | None = None,
    device: str = "auto",
    false_alarm: float | None = None,
    shard: str = "",
    ray: bool = False,
    screen: Screen | None = None,
) -> Answers:
    """Answer for every picture. To ask more than once, load the network once: ``oneglance.load``.

    Args:
        run: a finished run folder, or an .onnx file that ``export`` wrote, which needs no torch.
        pictures: files, folders, archives, glob patterns, or tables that name pictures; also pictures in
            memory: bytes, uint8 arrays [h, w, 3] or [h, w], Pillow pictures.
        out: a .jsonl, .csv, .parquet or .json (COCO) file to write; the list is then empty, so that memory
            does not grow.
        draw: a folder that gets every picture with the answers drawn on it.
        false_alarm: share of familiar pictures that may be called unknown; default: 0.05.
        shard: ``3/16`` answers the third of sixteen equal parts of the pictures, into a file beside ``out``
            that is called after the part. One that is there already, for the same network, pictures and
            settings, is not answered again. See ``merge``.
        ray: answer on the Ray cluster at ``RAY_ADDRESS``, or in processes of this machine, into ``out``.

    Returns:
        One answer per picture, in order: a mapping ``{"image", "width", "height", "unfamiliar", "answers"}``,
        with ``"unknown": True`` where so few familiar pictures are as unlike the training pictures, or
        ``{"image", "error"}`` for a picture that cannot be read. ``to_dict()`` gives plain lists and dicts.

    Raises:
        OneglanceError: with location, what and hint.
    """
    if ray:
        _predict_on_ray(run, pictures, shard, out, draw, device, false_alarm, screen)
        return Answers([])
    if shard:
        _predict_shard(run, pictures, shard, out, draw, device, false_alarm, screen)
        return Answers([])
    model = load(run, device=device, false_alarm=false_alarm)
    if out is None:
        return Answers(list(model.stream(pictures, draw=draw, screen=screen)))
    return model.predict(pictures, out=out, draw=draw, screen=screen)


def _predict_shard(
    run: str | Path,
    pictures: Picture | Iterable[Picture],
    shard: str,
    out: str | Path | None,
    draw: str | Path | None,
    device: str,
    false_alarm: float | None,
    screen: Screen | None,
) -> None:
    from oneglance.inference.shards.shard import ShardWork
    from oneglance.model import refs_of

    refs, target = refs_of(pictures, screen), None if out is None else Path(out)
    work = ShardWork.of(shard, target, run, refs, {"false_alarm": false_alarm})
    if work.done() is None:
        model = load(run, device=device, false_alarm=false_alarm)
        answers = model.stream_of(work.refs, draw=draw, screen=screen)
        work.write(answers, model.predictor.example(), model.tasks)


def _predict_on_ray(
    run: str | Path,
    pictures: Picture | Iterable[Picture],
    shard: str,
    out: str | Path | None,
    draw: str | Path | None,
    device: str,
    false_alarm: float | None,
    screen: Screen | None,
) -> None:
    from oneglance.inference.shards.on_ray import RayPrediction

    target = RayPrediction.target(out, shard, draw)
    with closing(screen or default_screen()) as screen:
        work = RayPrediction(run, refs_of(pictures, screen), target, device, false_alarm)
        for _ in work.unread(screen):
            pass


def explain(
    run: str | Path,
    pictures: Picture | Iterable[Picture],
    *,
    out: str | Path | None = None,
    method: str = "auto",
    tasks: Collection[str] = (),
    device: str = "auto",
    screen: Screen | None = None,
) -> Explained:
    """A map for each answer to each picture: which parts of the picture it rests on.

    Maps from gradients weigh the shared features, position by position, by what more of them would add to the
    answer (LayerCAM, Jiang et al. 2021): one pass forward and one back. They need a run folder, and a
    backbone whose features have positions, as those of all convolutional networks and of most transformers
    do. ``occlusion`` hides parts of the picture in turn and sees what the answer loses (Zeiler and Fergus
    2014): about a hundred passes for each picture, with any network, also of an .onnx file. An embedding is
    always explained so.

    Args:
        run: a finished run folder, a folder of ``combine``, or an .onnx file that ``export`` wrote.
        pictures: as for ``predict``.
        out: a folder that gets a .png file for each answer: the picture in pale grey, with warm colours where
            the answer rests. What is there already of the same network is not made again. None: the maps stay
            in memory, see ``Explained.draw``.
        method: ``gradient``, ``occlusion``, or ``auto``: the first where it can be had.
        tasks: only these; none named: all.

    Returns:
        ``{"pictures": [{"image", "task", "answer", "map", "method"}, …]}``, an entry for each class, tag,
        number and box, the last with ``box``, and ``{"image", "error"}`` for a picture that cannot be read.

    Raises:
        OneglanceError: with location, what and hint.
    """
    model = load(run, device=device, precision="fp32")
    return model.explain(pictures, out=out, method=method, tasks=tasks, screen=screen)


def merge(out: str | Path) -> Merged:
    """Put the answers of all shards of ``predict`` together: the file has the bytes of that of one process.

    Args:
        out: the file that all of them were told; the shards lie beside it, and stay.

    Raises:
        DataError: shards are missing, or answer different networks, pictures or settings.
        RunError: the file cannot be written.
    """
    from oneglance.inference.shards.merge import merge as merge_shards

    shards, count = merge_shards(Path(out))
    return Merged({"file": str(out), "shards": shards, "pictures": count})


def combine(
    runs: Sequence[str | Path],
    *,
    out: str | Path,
    rename: Mapping[str, str] | None = None,
    screen: Screen | None = None,
) -> Run:
    """Put finished runs together: one folder that answers the tasks of all of them.

    Each answer is equal to the bit to that of its run, at the cost of all networks; only reading and decoding
    pictures is shared. The folder holds a copy of each run. Rows of ``predict`` also say what each network
    thinks of the picture: ``"networks": {"a": {"unfamiliar": 0.03, "unknown": False, "tasks": ["kind"]}}``;
    their own ``unfamiliar`` is the largest of these, and ``unknown`` is there if any network says so.

    Args:
        runs: at least two finished run folders; of a folder of ``combine`` those in it.
        out: the new folder.
        rename: ``{"a.kind": "article"}``: the task ``kind`` of the run ``a`` is called ``article`` here;
            needed where two runs have a task of the same name. Runs are called as their folders; of two of
            the same name, the second is called ``a-2``.

    Raises:
        RunError: one of them is no finished run, is damaged or of a newer version; ``out`` is there already.
        ConfigError: fewer than two runs, one of them twice, two tasks of the same name, or no such task.
    """
    with needs_extra("train", "combine"):
        from oneglance.inference.predictor import Predictor
        from oneglance.storage import combined_folder

    screen, target = screen or default_screen(), Path(out)
    with closing(screen):
        combined_folder.refuse_taken(target)
        given = combined_folder.networks_of(runs)
        networks = combined_folder.renamed(given, rename or {}, runs, target)
        for done, one in enumerate(networks):
            screen.progress(done, len(networks), "opening")
            Predictor.open(one.run, device="cpu", precision="fp32", passes=1)
        combined_folder.CombinedFolder.create(target, networks)
    count = sum(len(one.tasks()) for one in networks)
    screen.say(f"{target} answers {count} tasks with {len(networks)} networks")
    return Run(target)


def extend(
    run: str | Path,
    config: ConfigSource,
    *,
    overrides: Overrides = (),
    out: str | Path | None = None,
    stage: bool = False,
    tune: bool = False,
    screen: Screen | None = None,
) -> Run:
    """A finished run learns further tasks. All that it answers already stays the same to the bit, with its
    calibration and with what it calls unfamiliar: the backbone and its tasks learn nothing, unless ``tune``.

    Args:
        run: the finished run folder, which is not changed.
        config: the new tasks and their sources. It may also name tasks of the run, as they are there; of
            [backbone] only what is the same. Pictures that the run knows stay in the split that they had.
        overrides: ``{"training.epochs": 5}``, a list of ``"training.epochs=5"``, or one of these.
        out: the new run folder; default: ``runs/`` and the name of the configuration.
        stage: each new task gets a copy of the backbone's last stage, which learns with it: better for what
            the run has never had to look at, and slower.
        tune: all learns on, taught by the run where nobody has answered its tasks, with a few of its old
            pictures in each epoch where they are where they were. ``held.json`` in the folder has the scores
            of its tasks before and after. Where one ends below the interval of before, it is not finished.

    Raises:
        OneglanceError: with location, what and hint; StoppedError after Ctrl-C: ``train`` with ``resume``
            goes on.
    """
    with needs_extra("train", "extend"):
        from oneglance.storage.run_folder import RunFolder
        from oneglance.training.preparation.extension import extended

    declared = extended(configuration.load(config, overrides), RunFolder.open(run), stage=stage, tune=tune)
    return train(declared, out=out, screen=screen)


def distil(
    runs: Sequence[str | Path],
    *,
    pictures: str | Path,
    overrides: Overrides = (),
    out: str | Path | None = None,
    minutes: float | None = None,
    screen: Screen | None = None,
) -> Distilled:
    """One network learns all answers of finished ones, on pictures that need no answers, and is scored beside
    its teachers: distil.json in its run folder.

    It is trained with [training] teachers, see there. What ``pictures`` does not say is as in the first
    teacher that is a run folder, with whose weights it begins where both have the same backbone.

    Args:
        runs: finished run folders, folders of ``combine`` or .onnx files, whose tasks have different names.
        pictures: a folder, archive or table of pictures, whose answers count where it has some; or an
            oneglance.toml with sources and perhaps tasks of its own, a backbone and all else. Test pictures
            of a teacher among them are held back.
        overrides: ``{"training.epochs": 50}``, a list of ``"training.epochs=50"``, or one of these.
        out: the new run folder; default: ``runs/`` and the name of the pictures.
        minutes: as many epochs as fit into so many minutes.

    Raises:
        OneglanceError: with location, what and hint; StoppedError after Ctrl-C: the same call with ``out``
            goes on, and a finished run it only scores again.
    """
    with needs_extra("train", "distil"):
        from oneglance.evaluation.distillation import report
        from oneglance.storage.run_lookup import run_of
        from oneglance.training.teaching.distillation import distilled

    screen = screen or default_screen()
    declared = distilled(runs, pictures, overrides)
    if minutes is not None:
        declared = declared.with_changes({"training.minutes": minutes})
    begun = run_of(declared, out) if out else None
    if begun is None:
        begun = train(declared, out=out, screen=screen).folder
    elif not begun.finished:
        begun = train(begun.address, resume=True, screen=screen).folder
    return Distilled(report(begun, screen))


def suspects(
    run_or_config: ConfigSource,
    *,
    overrides: Overrides = (),
    folds: int = 5,
    whole: bool = False,
    tasks: Sequence[str] = (),
    count: int = 200,
    out: str | Path | None = None,
    screen: Screen | None = None,
) -> Suspects:
    """Answers that may be wrong, the most suspicious first, and what the network says in their place.
    Writes suspects.json, suspects.csv, and suspects.html, on which a person goes through them.

    An answer is only judged by a network that has not learned from it. Of a configuration each of ``folds``
    parts of all pictures is judged by heads that learned from the others, on the features of a pretrained
    backbone, which has seen no answer; groups stay together. Of a finished run the test and validation
    pictures are judged by its network, and the training pictures by folds.

    Args:
        run_or_config: a run folder, an oneglance.toml, a mapping of the same form, or a Config.
        overrides: ``{"training.epochs": 5}``, a list of ``"training.epochs=5"``, or one of these.
        folds: parts of the pictures, 2 or more.
        whole: train a network of the configuration for each fold: better, and ``folds`` trainings long.
        tasks: names of tasks; default: all that people answered.
        count: suspects that are listed, at most.
        out: a folder; default: ``suspects/`` and the name of the configuration, or in the run folder. Folds
            that are finished there are not learned again.

    Raises:
        ConfigError: an impossible configuration or number, or no such task.
        DataError: the data cannot be used, or have too few answers for so many folds.
        RunError: the run is not finished, or its data have changed.
    """
    with needs_extra("train", "suspects"):
        from oneglance.evaluation.suspects.find import of_config, of_run
        from oneglance.evaluation.suspects.findings import Plan
        from oneglance.evaluation.suspects.write import write
        from oneglance.storage.run_folder import RunFolder
        from oneglance.storage.run_lookup import run_name

    plan = Plan(folds, whole, list(tasks), count)
    with closing(screen or default_screen()) as screen:
        if isinstance(run_or_config, str | Path) and is_folder(run_or_config):
            run = RunFolder.open(run_or_config)
            target = Path(out) if out else run.path / "suspects"
            return Suspects(write(of_run(run, plan, target, screen), plan, run.config(), target), target)
        declared = configuration.load(run_or_config, overrides)
        target = Path(out) if out else Path("suspects") / run_name(declared)
        findings = of_config(declared, plan, target, screen)
        return Suspects(write(findings, plan, declared, target), target)


def label_next(
    run: str | Path,
    pool: Picture | Iterable[Picture],
    *,
    count: int = 100,
    tasks: Sequence[str] = (),
    out: str | Path | None = None,
    tool: str = "coco",
    screen: Screen | None = None,
) -> LabelNext:
    """Which pictures of a pool to label next, the best first, and for which task.

    While a task has few answers, those most typical of what is not answered yet; later those of which the
    network is least sure, and which are unlike each other. Types that cannot say how sure they are, such as
    numbers, always get typical ones. The data of the run need not be there.

    Args:
        run: the finished run folder.
        pool: pictures as ``predict`` takes them; those that the run knows already are left out.
        count: pictures, shared among the tasks.
        tasks: names of tasks; default: all that people answer.
        out: a file for the network's answers to the chosen pictures, to be corrected by a person.
        tool: that imports it: ``coco``, ``cvat`` (for images 1.1) or ``label-studio``.

    Raises:
        ConfigError: an impossible number, no such task or tool.
        DataError: no picture of the pool is new and can be read.
        RunError: the run is not finished, or ``out`` cannot be written.
    """
    with needs_extra("train", "label-next"):
        from oneglance.evaluation.labelling.label_next import label_next_of
        from oneglance.storage.run_folder import RunFolder

    target = Path(out) if out else None
    with closing(screen or default_screen()) as screen:
        refs = refs_of(pool, screen)
        opened = RunFolder.open(run)
        return LabelNext(label_next_of(opened, refs, count, list(tasks), target, tool, screen))
