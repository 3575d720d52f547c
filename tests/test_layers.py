"""The architecture is a test: imports point down the list of layers only."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parent.parent / "oneglance"

# From the ground up: a file or folder may import those of the lines above its own, and a folder itself.
# `oneglance` alone is what `from oneglance import ...` gives: the public names.
LAYERS = [
    ["storage.remote.addresses"],
    [
        "errors",
        "nn",
        "storage",
    ],  # the folders are empty: their files lie at the heights where they are needed
    ["storage.remote.store"],
    ["storage.remote.stores"],
    ["toml", "storage.plain_files"],
    ["storage.cache_home"],
    ["storage.folder_lock", "storage.remote.local_files"],
    ["storage.remote.copies"],
    [
        "storage.atomic_files",
        "storage.run_version",
        "batch_transform",
        "config",
        "members",
        "progress",
        "report_items",
        "result",
    ],
    ["nn.allocator", "nn.feature_shape"],
    ["parallel"],
    ["data"],
    [
        "balancer",
        "metrics",
        "nn.bounded_building",
        "nn.checkpoints",
        "nn.device",
        "nn.folding",
        "nn.inner_product",
        "nn.mlp",
        "nn.packaged_weights",
        "nn.repeated_rows",
        "nn.threads",
        "nn.weights_hub",
        "storage.fingerprint",
        "storage.run_files",
    ],
    ["backbone"],
    ["nn.adapter", "nn.projection"],
    ["storage.task_state"],
    ["task"],
    ["vector_task"],
    ["detection"],
    ["tasks", "backbones", "balancers"],
    ["network"],
    ["storage.run_folder", "storage.resume_changes"],
    ["storage.combined_folder", "storage.training_length", "storage.training_lock"],
    ["storage.resumption"],
    ["inference"],
    ["training"],
    ["evaluation", "testing"],
    ["results"],
    ["storage.run_lookup", "screens"],
    ["model"],
    ["api", "data_api", "pretrained"],
    ["finished_api"],
    ["starting", "features"],
    ["oneglance"],
    ["serving"],
    ["cli"],
    ["__main__"],
]
LEVEL = {unit: level for level, units in enumerate(LAYERS) for unit in units}
PLURALS = {
    "data.recipes",
    "tasks",
    "backbones",
    "balancers",
    "data.sources",
    "data.writers",
}  # a contract may import its folder's name

# Inside data, in the same way; what is not named here is a file of one of these folders.
DATA_LAYERS = [
    ["data", "data.cell", "data.quoting", "data.record"],  # `data` itself is its docstring
    ["data.csv_text"],
    ["data.number_notation"],
    ["data.picture_files"],
    ["data.images"],
    ["data.columns"],
    ["data.parsing"],
    ["data.source", "data.writer"],
    ["data.tag_rows"],
    ["data.sources", "data.writers"],
    ["data.merging"],
    ["data.splitting"],
    ["data.recipe"],
    ["data.recipes"],
    ["data.inspection"],
    ["data.dataset", "data.convert", "data.image_inputs", "data.download", "data.synthetic"],
    ["data.proposing"],
    ["data.find_sources"],
]
DATA_LEVEL = {unit: level for level, units in enumerate(DATA_LAYERS) for unit in units}

# Inside evaluation, file by file: `compare` goes down them and returns once.
EVALUATION_LAYERS = [
    ["bootstrap", "gradient_conflicts", "kept_arrays", "labelling.choosing", "labelling.preannotations"],
    ["labelling.label_next"],
    ["comparison.peak_memory", "comparison.remedy", "comparison.wording", "reports.svg_plots"],
    ["comparison.single_networks", "significance", "reports.pages"],
    ["reports.learning_curves", "reports.run_table", "reports.task_interaction"],
    ["corruptions.blur", "corruptions.noise"],
    ["corruptions.digital", "corruptions.weather"],
    ["corruptions.catalogue"],
    ["reports.evaluation", "reports.robustness", "reports.suspects", "suspects.findings", "suspects.folds"],
    ["evaluate"],
    ["comparison.variants"],
    ["suspects.learned_late", "suspects.trainings"],
    [
        "baselines.image_features",
        "distillation",
        "loss_weight_search",
        "robustness",
        "reports.comparison",
        "task_grouping",
    ],
    ["baselines.clustering", "baselines.estimators", "baselines.window_grid", "comparison.recommendations"],
    ["baselines.sliding_window", "suspects.frozen"],
    ["baselines.catalogue", "suspects.find"],
    ["suspects.write"],
    ["comparison.plan", "comparison.on_ray"],
    ["comparison.worse_pictures"],
    ["comparison.compare"],
]
EVALUATION_LEVEL = {
    f"evaluation.{file}": level for level, files in enumerate(EVALUATION_LAYERS) for file in files
}

TORCHVISION = {"data.download"}  # its downloader, and nothing else of it
HEAVY = ("torch", "torchvision", "timm", "sklearn", "scipy", "matplotlib", "pyarrow", "onnxruntime")


@dataclass(frozen=True)
class Import:
    importer: str  # "data.sources.table", without the name of the package
    imported: str  # "errors", "torch": outside modules have their whole name
    line: int
    ours: bool

    def __str__(self) -> str:
        return f"{self.importer}:{self.line} imports {self.imported}"


def module_name(file: Path, package: Path) -> str:
    parts = file.relative_to(package).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts) or package.name


def modules(package: Path) -> dict[str, Path]:
    return {module_name(file, package): file for file in sorted(package.rglob("*.py"))}


def nodes(tree: ast.AST) -> Iterator[ast.AST]:
    """Every node that may run, inside functions too; what stands under TYPE_CHECKING never does."""
    for child in ast.iter_child_nodes(tree):
        if isinstance(child, ast.If) and ast.unparse(child.test).endswith("TYPE_CHECKING"):
            child = ast.Module(child.orelse, [])
        yield child
        yield from nodes(child)


def imports(package: Path) -> Iterator[Import]:
    known = modules(package)
    for importer, file in known.items():
        above = importer.split(".") if file.name == "__init__.py" else importer.split(".")[:-1]
        above = [] if importer == package.name else above
        for node in nodes(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                start = [package.name, *above[: len(above) - node.level + 1]] if node.level else []
                module = ".".join([*start, *([node.module] if node.module else [])])
                names = [f"{module}.{alias.name}" for alias in node.names]
            else:
                continue
            for name in names:
                first, _, rest = name.partition(".")
                if first != package.name:
                    yield Import(importer, name, node.lineno, ours=False)
                elif rest != "__version__":
                    yield Import(importer, deepest(rest, known) or first, node.lineno, ours=True)


def deepest(name: str, known: dict[str, Path]) -> str:
    """``errors.Problem`` -> ``errors``: the longest beginning of ``name`` that is a module."""
    parts = name.split(".")
    return next((".".join(parts[:n]) for n in range(len(parts), 0, -1) if ".".join(parts[:n]) in known), "")


def unit(module: str) -> str:
    """The longest beginning of ``module`` that has a layer, or else its folder."""
    parts = module.split(".")
    beginnings = (".".join(parts[:n]) for n in range(len(parts), 0, -1))
    return next((name for name in beginnings if name in LEVEL), parts[0])


def level(module: str) -> int:
    return LEVEL.get(unit(module), len(LAYERS))  # above all: a test of its own tells of such a module


def points_up(found: Import) -> bool:
    if not found.ours or found.imported in PLURALS:
        return False
    inside_a_folder = unit(found.importer) == unit(found.imported) and found.importer != found.imported
    return level(found.imported) >= level(found.importer) and not inside_a_folder


def test_every_module_has_a_layer() -> None:
    assert sorted({unit(name) for name in modules(PACKAGE)} - set(LEVEL)) == []


def test_imports_only_point_down() -> None:
    assert [str(found) for found in imports(PACKAGE) if points_up(found)] == []


def data_unit(module: str) -> str:
    """``data.images.decode`` -> ``data.images``; ``data.record`` is one by itself."""
    return ".".join(module.split(".")[:2])


def points_up_in_data(found: Import) -> bool:
    """Whether a file of data imports one of a layer that is not below its own, nor of its own folder."""
    importer, imported = data_unit(found.importer), data_unit(found.imported)
    if not found.ours or {importer.split(".")[0], imported.split(".")[0]} != {"data"}:
        return False
    same = importer == imported and "." in found.importer
    return not same and found.imported not in PLURALS and DATA_LEVEL[imported] >= DATA_LEVEL[importer]


def test_every_file_and_folder_of_data_has_a_layer() -> None:
    there = {data_unit(name) for name in modules(PACKAGE) if name.split(".")[0] == "data"}
    assert there == set(DATA_LEVEL)


def test_imports_inside_data_only_point_down() -> None:
    inside = [found for found in imports(PACKAGE) if found.ours and found.importer.startswith("data.")]
    assert len(inside) > 100
    assert [str(found) for found in inside if points_up_in_data(found)] == []


def test_imports_inside_evaluation_only_point_down() -> None:
    names = ("baselines", "comparison", "corruptions", "labelling", "reports", "suspects")
    folders = {"evaluation", *(f"evaluation.{name}" for name in names)}
    there = {name for name in modules(PACKAGE) if name.split(".")[0] == "evaluation"} - folders
    assert there == set(EVALUATION_LEVEL)
    inside = [
        found for found in imports(PACKAGE) if found.importer in there and found.imported in EVALUATION_LEVEL
    ]
    assert len(inside) > 40
    wrong = [
        str(found) for found in inside if EVALUATION_LEVEL[found.imported] >= EVALUATION_LEVEL[found.importer]
    ]
    assert wrong == []


@pytest.mark.parametrize(
    ("importer", "imported", "wrong"),
    [
        ("data.images.archives", "data.parsing.tables.delimited", True),
        ("data.record", "data.source", True),
        ("data.record", "data.quoting", True),
        ("data.sources.coco", "data.writers.coco", True),
        ("data.source", "data.sources.coco", True),
        ("data.merging.collect", "data.dataset", True),
        ("data.convert", "data.dataset", True),
        ("data.source", "data.sources", False),
        ("data.sources.boxes_table", "data.sources.table", False),
        ("data.inspection.checks", "data.splitting.split", False),
        ("data.inspection.checks", "errors", False),
    ],
)
def test_the_check_inside_data_sees_what_it_should(importer: str, imported: str, wrong: bool) -> None:
    assert points_up_in_data(Import(importer, imported, 1, ours=True)) is wrong


def test_data_and_all_below_it_know_no_torch() -> None:
    wrong = [
        str(found)
        for found in imports(PACKAGE)
        if level(found.importer) <= LEVEL["data"]
        and unit(found.imported) in {"torch", "torchvision", "timm"}
        and found.importer not in TORCHVISION
    ]
    assert wrong == []


def test_plural_folders_are_mere_places() -> None:
    """What their ``__init__`` imported would escape the layers, since a contract imports its folder."""
    folders = [name for name in PLURALS if name in modules(PACKAGE)]
    assert folders
    assert [str(found) for found in imports(PACKAGE) if found.importer in folders] == []


def loaded_after(*names: str) -> set[str]:
    """The heavy packages that importing ``names`` in a fresh process loads."""
    script = f"import sys, {', '.join(names)}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return set(HEAVY) & set(done.stdout.split())


@pytest.mark.parametrize("name", ["oneglance", "oneglance.cli.commands"])
def test_the_front_door_opens_fast(name: str) -> None:
    if name.partition(".")[2] not in {"", *modules(PACKAGE)}:
        pytest.skip(f"{name} is not written yet")
    assert loaded_after(name) == set()


def test_tasks_and_data_work_without_torch() -> None:
    """``predict`` from an .onnx file runs where torch is not installed."""
    light = [
        name
        for name in modules(PACKAGE)
        if (level(name) <= LEVEL["data"] and name not in TORCHVISION)
        or unit(name) in {"metrics", "task", "vector_task", "tasks"}
    ]
    assert {"tasks.label", "data.record"} <= set(light)
    assert not loaded_after(*(f"oneglance.{name}" for name in light)) & {"torch", "torchvision", "timm"}


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("from oneglance.api import train", True),
        ("from oneglance import cli", True),
        ("from oneglance import train", True),
        ("from .. import api", True),
        ("from ..api import train", True),
        ("import oneglance.network", True),
        ("def late():\n    from oneglance.storage.run_folder import Run", True),
        ("class Late:\n    if True:\n        import oneglance.api", True),
        ("from oneglance.tasks.other import Other", False),
        ("from .other import Other", False),
        ("from oneglance import __version__", False),
        ("from oneglance.errors import Problem", False),
        ("from oneglance.task import Task", False),
        (
            "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from oneglance.network import Network",
            False,
        ),
        ("import torch", False),
    ],
)
def test_the_check_sees_what_it_should(tmp_path: Path, text: str, wrong: bool) -> None:
    package = tmp_path / "oneglance"
    (package / "tasks").mkdir(parents=True)
    above = (
        "__init__",
        "errors",
        "task",
        "network",
        "run_folder",
        "api",
        "cli",
        "tasks/__init__",
        "tasks/other",
    )
    for name in (*above, "tasks/other"):
        (package / f"{name}.py").write_text("")
    (package / "tasks" / "mine.py").write_text(text)
    assert any(points_up(found) for found in imports(package)) is wrong
