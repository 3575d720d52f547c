"""The example of a package with members of somebody else's: installed as a distribution of its own."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

pytestmark = pytest.mark.thorough

ROOT = Path(__file__).resolve().parent.parent.parent
EXAMPLE = ROOT / "examples" / "extension"

BY_WORD = {"task": "angle", "balancer": "inverse", "source": "sidecar", "backbone": "patches"}
BY_CLASS = {
    "task": "oneglance_extension_example.angle:Angle",
    "balancer": "oneglance_extension_example.inverse:Inverse",
    "source": "oneglance_extension_example.sidecar:Sidecar",
    "backbone": "oneglance_extension_example.patches:Patches",
}
CONFIG = """
[[sources]]
path = "gauges"
format = "{source}"
[tasks.needle]
type = "{task}"
from = "degrees"
[tasks.colour]
type = "label"
[backbone]
name = "{backbone}"
size = 16
options = {{ width = 8 }}
[training]
epochs = 2
batch = 8
balancer = "{balancer}"
device = "cpu"
"""
SCRIPT = """
import json
import oneglance as og

run = og.train("oneglance.toml", out="run")
answers = og.predict("run", "gauges/3.png")
report = og.evaluate("run")
print(json.dumps([answers[0]["answers"]["needle"], report["tasks"]["needle"]["metrics"]["mae"]["value"]]))
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that pip has installed the package into."""
    base = tmp_path_factory.mktemp("extension")
    project, target = base / "project", base / "site"
    shutil.copytree(EXAMPLE, project)  # a build leaves files behind
    options = ["--no-deps", "--no-build-isolation", "--no-index", "--disable-pip-version-check", "--quiet"]
    run(base, "-m", "pip", "install", *options, "--target", str(target), str(project))
    return target


@pytest.fixture
def gauges(tmp_path: Path) -> Path:
    draw = np.random.default_rng(0)
    (tmp_path / "gauges").mkdir()
    for n in range(40):
        degrees, colour = int(draw.integers(0, 360)), n % 2
        pixels = np.full((16, 16, 3), (degrees * 2 // 3, 255 * colour, n), dtype=np.uint8)  # no two are equal
        Image.fromarray(pixels).save(tmp_path / "gauges" / f"{n}.png")
        fields = {"degrees": degrees, "colour": ["red", "green"][colour]}
        (tmp_path / "gauges" / f"{n}.json").write_text(json.dumps(fields))
    return tmp_path


def run(here: Path, *arguments: str, site: Path | None = None) -> str:
    path = os.pathsep.join(map(str, [ROOT, *([site] if site else [])]))
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=here,
        env={**os.environ, "PYTHONPATH": path, "ONEGLANCE_CACHE": str(here / "cache")},
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.slow  # a test run of its own, with a hundred small networks
def test_its_members_keep_the_contract(site: Path, tmp_path: Path) -> None:
    shutil.copy(EXAMPLE / "test_extension.py", tmp_path)
    passed = run(tmp_path, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_extension.py", site=site)
    assert "4 passed" in passed


@pytest.mark.slow  # trains in a process of its own, which imports torch
@pytest.mark.parametrize("names", [BY_WORD, BY_CLASS], ids=["by entry point", "by class"])
def test_a_training_predicts_and_is_evaluated(site: Path, gauges: Path, names: dict[str, str]) -> None:
    (gauges / "oneglance.toml").write_text(CONFIG.format(**names))
    (gauges / "use.py").write_text(SCRIPT)
    prediction, error = json.loads(run(gauges, "use.py", site=site).splitlines()[-1])
    assert 0 <= prediction["degrees"] < 360 and 0 <= error <= 180
    assert "within_10" in (gauges / "run" / "report.html").read_text(encoding="utf-8")
    assert "oneglance_extension_example" not in sys.modules


def test_the_shell_uses_them_too(site: Path, gauges: Path) -> None:
    (gauges / "oneglance.toml").write_text(CONFIG.format(**BY_WORD).replace('format = "sidecar"', ""))
    checked = run(gauges, "-m", "oneglance", "check", "oneglance.toml", site=site)
    assert "no problems" in checked  # recognised without its format: a mere folder has no field degrees


def test_a_word_that_is_not_installed_is_told(gauges: Path) -> None:
    (gauges / "oneglance.toml").write_text(CONFIG.format(**BY_WORD))
    script = "import oneglance as og; og.check('oneglance.toml')"
    with pytest.raises(AssertionError, match=r"has no (type|format)"):
        run(gauges, "-c", script)
