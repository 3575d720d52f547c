"""A name of a configuration becomes a class; a configuration alone never decides what is run."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from oneglance import members
from oneglance.balancer import KIND, Balancer, build_balancer, names
from oneglance.balancers.db_mtl import DbMtl
from oneglance.data.source import KIND as SOURCES
from oneglance.data.source import open_source
from oneglance.errors import ConfigError
from oneglance.members import camel_case, find_member, is_class_name, member_names
from oneglance.task import build_tasks, task_class
from oneglance.tasks.label import Label

MINE = """
from pathlib import Path
from oneglance.balancer import Balancer

Path(__file__).with_suffix(".ran").touch()

class Mine(Balancer):
    def share(self, step):
        return step.losses * 0 + 1 / len(step.losses)

class Unfinished(Balancer):
    pass

class Stranger:
    pass
"""


@pytest.fixture(autouse=True)
def as_before(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """Each test has a site folder of its own on the path of modules, and leaves no module behind."""
    monkeypatch.delenv("ONEGLANCE_EXTENSIONS", raising=False)
    monkeypatch.syspath_prepend(str(site(tmp_path)))
    loaded = set(sys.modules)
    yield
    for name in set(sys.modules) - loaded:
        if name.partition(".")[0] in {"mine", "other"}:
            del sys.modules[name]


def site(base: Path) -> Path:
    (base / "site").mkdir(exist_ok=True)
    return base / "site"


def write_module(folder: Path, name: str = "mine", text: str = MINE) -> Path:
    path = folder / name / "__init__.py"
    path.parent.mkdir(parents=True)
    path.write_text(text)
    return path


def install(
    folder: Path,
    name: str = "mine",
    *,
    requires: str = "oneglance>=0.1",
    points: str = "",
    files: bool = True,
    direct_url: str = "",
) -> None:
    """What an installer leaves of a distribution beside its modules."""
    info = folder / f"{name}-1.0.dist-info"
    info.mkdir(parents=True)
    needs = f"Requires-Dist: {requires}\n" if requires else ""
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n{needs}")
    (info / "entry_points.txt").write_text(points)
    if files:
        (info / "RECORD").write_text(f"{name}/__init__.py,,\n{name}-1.0.dist-info/METADATA,,\n")
    if direct_url:
        (info / "direct_url.json").write_text(direct_url)


def ran(folder: Path) -> bool:
    return any(folder.rglob("*.ran"))


def refused(name: str, expected: str) -> None:
    with pytest.raises(ConfigError, match=expected):
        build_balancer(name, {})


# Its own members.


def test_a_file_is_a_class_in_camel_case() -> None:
    assert [camel_case(name) for name in ("label", "key_points", "db_mtl")] == ["Label", "KeyPoints", "DbMtl"]
    assert find_member(KIND, "db_mtl") is DbMtl
    assert task_class("label") is Label


def test_an_unknown_name_names_the_nearest_known() -> None:
    refused("db_mlt", r'^\[training\] has no balancer "db_mlt"\. Did you mean "db_mtl"\?$')
    with pytest.raises(
        ConfigError, match=r'^my\.toml: \[tasks\.a\] has no type "lable"\. Did you mean "label"'
    ):
        build_tasks({"a": {"type": "lable"}}, location="my.toml")


@pytest.mark.parametrize(
    "name", ["", ":", "a:", ":B", "a:b:c", "a b:C", "../x:Y", "a..b:C", "a:B.c", "__init__"]
)
def test_what_is_no_name_at_all_is_unknown(name: str) -> None:
    assert not is_class_name(name)
    refused(name, "has no balancer")


# Somebody else's.


def test_an_installed_package_gives_a_class_by_its_path(tmp_path: Path) -> None:
    write_module(site(tmp_path))
    install(site(tmp_path))
    found = build_balancer("mine:Mine", {})
    assert isinstance(found, Balancer) and type(found).__module__ == "mine"


@pytest.mark.parametrize("requires", ["oneglance", "oneglance[train]>=0.1", "Oneglance ; python_version>'3'"])
def test_a_package_that_requires_oneglance_is_made_for_it(tmp_path: Path, requires: str) -> None:
    write_module(site(tmp_path))
    install(site(tmp_path), requires=requires)
    assert type(build_balancer("mine:Mine", {})).__name__ == "Mine"


def test_a_word_is_an_entry_point(tmp_path: Path) -> None:
    write_module(site(tmp_path))
    install(site(tmp_path), requires="", points="[oneglance.balancers]\nplain_mean = mine:Mine\n")
    assert "plain_mean" in names() and "plain_mean" not in member_names(SOURCES)
    assert type(build_balancer("plain_mean", {})).__name__ == "Mine"
    refused("plain_maen", 'Did you mean "plain_mean"')


def test_an_entry_point_does_not_replace_a_member_of_ours(tmp_path: Path) -> None:
    write_module(site(tmp_path))
    install(site(tmp_path), points="[oneglance.balancers]\ndb_mtl = mine:Mine\n")
    assert type(build_balancer("db_mtl", {})) is DbMtl and not ran(tmp_path)


def test_a_word_of_two_packages_is_refused(tmp_path: Path) -> None:
    for name in ("mine", "other"):
        write_module(site(tmp_path), name)
        install(site(tmp_path), name, points=f"[oneglance.balancers]\nmean = {name}:Mine\n")
    refused("mean", r'\[training\] balancer "mean": several packages give it: mine and other — uninstall one')
    assert type(build_balancer("other:Mine", {})).__module__ == "other"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("mine:Miné", r'balancer "mine:Miné": mine has no class Miné\. Did you mean "Mine"\?'),
        ("mine:Stranger", r"mine\.Stranger is no Balancer — derive it from oneglance\.balancer\.Balancer"),
        ("mine:Path", r"mine\.Path is no Balancer"),
        ("mine:Unfinished", r"mine\.Unfinished lacks share"),
        ("mine:Balancer", r"mine\.Balancer lacks share"),
        ("mine.sub:Mine", r"the module mine\.sub cannot be imported \(ModuleNotFoundError: "),
        ("nowhere:Mine", r"there is no module nowhere — install the package that holds it"),
    ],
)
def test_what_cannot_be_had_is_told(tmp_path: Path, name: str, expected: str) -> None:
    write_module(site(tmp_path))
    install(site(tmp_path))
    refused(name, expected)


def test_a_module_that_raises_is_told(tmp_path: Path) -> None:
    write_module(site(tmp_path), text="raise OSError('no licence')")
    install(site(tmp_path))
    refused("mine:Mine", r"the module mine cannot be imported \(OSError: no licence\)")


def test_an_entry_point_that_is_no_class_is_told(tmp_path: Path) -> None:
    write_module(site(tmp_path))
    install(site(tmp_path), points="[oneglance.balancers]\na = mine\nb = mine:Stranger\n")
    refused("a", r'balancer "a": the package mine names "mine", which is no package\.module:Class')
    refused("b", "is no Balancer")


def test_a_broken_source_of_others_does_not_stop_those_who_do_not_name_it(tmp_path: Path) -> None:
    write_module(site(tmp_path), text="raise OSError('no licence')")
    install(site(tmp_path), points="[oneglance.sources]\nbroken = mine:Mine\n")
    (tmp_path / "photos" / "cat").mkdir(parents=True)
    (tmp_path / "photos" / "cat" / "1.png").write_bytes(b"")
    assert open_source({"path": "photos"}, tmp_path).format == "folder"
    with pytest.raises(ConfigError, match=r'\[\[sources\]\] format "broken": .*no licence'):
        open_source({"path": "photos", "format": "broken"}, tmp_path)


def test_a_kind_without_a_group_has_members_of_ours_only(tmp_path: Path) -> None:
    install(site(tmp_path), points="[oneglance.balancers]\nmean = mine:Mine\n")
    assert "mean" not in member_names(replace(KIND, group=""))


# What is run, and what is not.


@pytest.mark.parametrize("requires", ["", "numpy", "oneglance-tools", "oneglance2"])
def test_a_package_that_is_not_made_for_oneglance_is_not_run(tmp_path: Path, requires: str) -> None:
    write_module(site(tmp_path))
    install(site(tmp_path), requires=requires)
    refused("mine:Mine", r"the module mine belongs to no installed package that is made for oneglance")
    assert not ran(tmp_path)


def test_a_module_that_is_not_installed_is_not_run(tmp_path: Path) -> None:
    write_module(site(tmp_path))
    refused("mine:Mine", "or allow it: ONEGLANCE_EXTENSIONS=mine$")
    assert not ran(tmp_path)


def test_whoever_runs_the_program_can_allow_a_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_module(site(tmp_path))
    monkeypatch.setenv("ONEGLANCE_EXTENSIONS", "other, mine")
    assert type(build_balancer("mine:Mine", {})).__name__ == "Mine"


def test_what_is_imported_already_may_be_named(tmp_path: Path) -> None:
    write_module(site(tmp_path))
    import mine  # type: ignore[import-not-found, unused-ignore]

    assert type(build_balancer("mine:Mine", {})) is mine.Mine


@pytest.mark.parametrize(
    "name", ["antigravity:Mine", "this:Mine", "idlelib.idle:Mine", "oneglance.__main__:Mine"]
)
def test_programs_of_python_and_of_ours_are_not_run(name: str) -> None:
    before = set(sys.modules)
    refused(name, "made for oneglance, so it is not run")
    assert set(sys.modules) == before


def test_a_program_of_an_extension_is_not_run(tmp_path: Path) -> None:
    module = write_module(site(tmp_path))
    install(site(tmp_path))
    (module.parent / "__main__.py").write_text(MINE)
    refused("mine.__main__:Mine", "so it is not run")
    assert not ran(tmp_path)


def test_a_file_that_takes_the_place_of_an_installed_module_is_not_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_module(site(tmp_path))
    install(site(tmp_path), points="[oneglance.balancers]\nmean = mine:Mine\n")
    write_module(tmp_path / "stranger")
    monkeypatch.syspath_prepend(str(tmp_path / "stranger"))
    refused("mine:Mine", "so it is not run")
    refused("mean", r"it belongs to the package mine, but mine is another file here: .*stranger")
    assert not ran(tmp_path)


def test_an_editable_installation_lies_in_its_project(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = tmp_path / "a project"
    write_module(project / "src")
    url = f'{{"url": "{project.as_uri()}", "dir_info": {{"editable": true}}}}'
    install(site(tmp_path), direct_url=url)
    monkeypatch.syspath_prepend(str(project / "src"))
    assert type(build_balancer("mine:Mine", {})).__name__ == "Mine"


def test_an_installation_without_a_list_of_files_lies_in_its_folder(tmp_path: Path) -> None:
    write_module(site(tmp_path))
    install(site(tmp_path), files=False)
    assert type(build_balancer("mine:Mine", {})).__name__ == "Mine"


def test_the_rest_of_an_uninstalled_package_is_passed_over(tmp_path: Path) -> None:
    (site(tmp_path) / "gone-1.0.dist-info").mkdir()
    assert find_member(KIND, "db_mtl") is DbMtl
    refused("mine:Mine", "there is no module mine")


def test_long_files_are_not_read_where_no_package_adds_anything(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The names of all packages lie there; our own program is in none of our groups."""
    install(site(tmp_path), "program", points="[console_scripts]\nmine = oneglance.__main__:main\n")
    monkeypatch.setattr(members, "_name", None)
    assert "db_mtl" in names()
    install(site(tmp_path), points="[oneglance.balancers]\nmine = mine:Mine\n")
    with pytest.raises(TypeError, match="not callable"):
        names()


@pytest.mark.parametrize("name", ["mine:Mine", "mean"])
def test_a_folder_of_a_stranger_runs_nothing_though_it_is_the_current_one(tmp_path: Path, name: str) -> None:
    """It looks like an installed package in every way, and ``python -m`` puts it first on the path."""
    here = tmp_path / "stranger"
    write_module(here)
    install(here, points="[oneglance.balancers]\nmean = mine:Mine\n")
    (here / "oneglance.toml").write_text(
        f'[[sources]]\npath = "."\n[tasks.a]\ntype = "label"\n[training]\nbalancer = "{name}"\n'
    )
    script = "from oneglance.balancer import build_balancer; import sys; build_balancer(sys.argv[1], {})"
    (here / "starter.py").write_text(script)
    path = str(Path(__file__).resolve().parent.parent)
    done = subprocess.run(
        [sys.executable, "-m", "starter", name],
        cwd=here,
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode != 0 and "ConfigError" in done.stderr
    assert not ran(here)
