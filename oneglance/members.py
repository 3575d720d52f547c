"""The one place that turns a name of oneglance.toml into a class.

A name is, in this order,

1. a file of the plural folder beside the contract: ``key_points``, ``tasks/key_points.py``, ``KeyPoints``;
2. a word that an installed package declares as an entry point of the group ``oneglance.tasks``,
   ``oneglance.balancers``, ``oneglance.sources`` or ``oneglance.backbones``;
3. ``package.module:Class``.

Importing a module runs it, and a configuration may come from a stranger: a run folder that was sent holds
one. So a configuration alone never decides what is imported. A module is imported only if

- it has been imported already: naming it runs nothing;
- or it lies in an installed distribution that says itself that it is made for oneglance: it requires
  ``oneglance``, or has an entry point in one of the groups above. A file of the same name that lies
  elsewhere, such as in the current folder, is not that module;
- or ``ONEGLANCE_EXTENSIONS`` in the environment names its top package. That is the word of whoever runs the
  program, and for a module that is not installed.

What lies in the current folder counts as none of these, though ``python -m`` puts it on the module path.
"""

from __future__ import annotations

import inspect
import json
import os
import pkgutil
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib import import_module
from importlib.metadata import Distribution, EntryPoint, distributions
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Generic, TypeVar
from urllib.parse import urlparse

from oneglance.errors import ConfigError, nearest

GROUPS = "oneglance."  # the entry points of extensions are in groups that begin so
ALLOWED = "ONEGLANCE_EXTENSIONS"  # top packages with a comma between, in the environment
MODULE_AND_CLASS = re.compile(r"([^\W\d]\w*(?:\.[^\W\d]\w*)*):([^\W\d]\w*)")

T = TypeVar("T")


@dataclass(frozen=True)
class MemberKind(Generic[T]):
    """One contract and where its members are found."""

    contract: type[T]
    folder: str  # the package whose files are its own members
    key: str  # of oneglance.toml, as messages call it
    group: str = ""  # of entry points; "": nobody else adds members
    suffix: str = ""  # what the names of its own classes end in, after that of the file
    hidden: frozenset[str] = frozenset()  # files of the folder that are no name


def own_names(kind: MemberKind[T]) -> list[str]:
    """The files of the folder, in alphabetical order."""
    modules = pkgutil.iter_modules(import_module(kind.folder).__path__)
    return sorted({module.name for module in modules} - kind.hidden)


def member_names(kind: MemberKind[T]) -> list[str]:
    """Every plain word that is a name: files of the folder and entry points, in alphabetical order."""
    return sorted({*own_names(kind), *(point.name for point, _ in _entry_points(kind))})


def is_class_name(name: str) -> bool:
    """Whether ``name`` is written as ``package.module:Class``."""
    return MODULE_AND_CLASS.fullmatch(name) is not None


def find_member(kind: MemberKind[T], name: str, *, section: str = "", location: str = "") -> type[T]:
    """The class that ``name`` means.

    Args:
        section: begins the messages, as in ``[tasks.colour]``.
        location: the file that holds the name.

    Raises:
        ConfigError: no such name, or a module that may not or cannot be imported, or what it holds under that
            name is no class that fulfils the contract.
    """
    what = f"{section} {kind.key}".lstrip()
    try:
        if name in own_names(kind):
            return _checked(kind, import_module(f"{kind.folder}.{name}"), camel_case(name) + kind.suffix)
        if is_class_name(name):
            return _outside(kind, name)
        return _by_entry_point(kind, name)
    except _UnknownNameError:
        known = nearest(name, member_names(kind))
        raise ConfigError(
            f'{section} has no {kind.key} "{name}".{known}'.lstrip(), location=location
        ) from None
    except _UnusableError as error:
        hint = error.hint
        cause = error.__cause__
        raise ConfigError(f'{what} "{name}": {error}', location=location, hint=hint) from cause


def camel_case(name: str) -> str:
    """``key_points`` -> ``KeyPoints``."""
    return "".join(word[:1].upper() + word[1:] for word in name.split("_"))


class _UnknownNameError(Exception):
    """Neither a file nor an entry point."""


class _UnusableError(Exception):
    """A member that is named and cannot be had."""

    def __init__(self, what: str, hint: str = "") -> None:
        super().__init__(what)
        self.hint = hint


# Classes of other packages.


def _by_entry_point(kind: MemberKind[T], name: str) -> type[T]:
    points = [(point, owner) for point, owner in _entry_points(kind) if point.name == name]
    if not points:
        raise _UnknownNameError
    if len(points) > 1:
        owners = " and ".join(sorted(_name(owner) for _, owner in points))
        raise _UnusableError(
            f"several packages give it: {owners}", "uninstall one, or write package.module:Class"
        )
    point, owner = points[0]
    if not is_class_name(point.value):
        raise _UnusableError(
            f'the package {_name(owner)} names "{point.value}", which is no package.module:Class'
        )
    if point.module not in sys.modules and not _lies_in(point.module.partition(".")[0], owner):
        raise _UnusableError(
            f"it belongs to the package {_name(owner)}, but {point.module} is another file here: "
            f"{_origin(point.module)}",
            "move that file away, or run from another folder",
        )
    return _checked(kind, _imported(point.module), point.attr)


def _outside(kind: MemberKind[T], name: str) -> type[T]:
    module, _, attribute = name.partition(":")
    if not _may_be_imported(module):
        top = module.partition(".")[0]
        if _origin(top) is None:
            raise _UnusableError(f"there is no module {top}", "install the package that holds it")
        raise _UnusableError(
            f"the module {top} belongs to no installed package that is made for oneglance, so it is not run",
            f"install it as a package that requires oneglance, or allow it: {ALLOWED}={top}",
        )
    return _checked(kind, _imported(module), attribute)


def _may_be_imported(module: str) -> bool:
    top = module.partition(".")[0]
    if module in sys.modules:
        return True
    # A program starts when it is imported; members of ours have plain names.
    if module.endswith(".__main__") or top == "oneglance":
        return False
    if top in re.split(r"[,\s]+", os.environ.get(ALLOWED, "")):
        return True
    return any(_is_made_for_us(installed) and _lies_in(top, installed) for installed in _installed())


def _imported(module: str) -> ModuleType:
    try:
        return import_module(module)
    except Exception as error:  # whatever somebody else's module raises
        reason = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        raise _UnusableError(f"the module {module} cannot be imported ({reason})") from error


def _checked(kind: MemberKind[T], module: ModuleType, attribute: str) -> type[T]:
    """``attribute`` of the module, if it fulfils the contract."""
    contract = kind.contract
    member = getattr(module, attribute, None)
    if member is None:
        members = [name for name, thing in vars(module).items() if _is_member(contract, thing)]
        raise _UnusableError(f"{module.__name__} has no class {attribute}.{nearest(attribute, members)}")
    if not (isinstance(member, type) and issubclass(member, contract)):
        raise _UnusableError(
            f"{module.__name__}.{attribute} is no {contract.__name__}",
            f"derive it from {contract.__module__}.{contract.__name__}",
        )
    if missing := _abstract(member):  # type: ignore[arg-type]  # mypy takes no class for hashable
        raise _UnusableError(f"{module.__name__}.{attribute} lacks {', '.join(missing)}")
    return member


def _is_member(contract: type, thing: object) -> bool:
    return isinstance(thing, type) and issubclass(thing, contract) and not _abstract(thing)  # type: ignore[arg-type]


@cache
def _abstract(member: type) -> list[str]:
    """What of the contract it does not have; a contract need not have ABCMeta for that."""
    names = (name for name in dir(member) if not name.startswith("__"))
    missing = (name for name in names if _is_abstract(inspect.getattr_static(member, name, None)))
    return sorted(missing)


def _is_abstract(value: object) -> bool:
    return bool(getattr(value, "__isabstractmethod__", False))


# Installed packages.


def _installed() -> Iterator[Distribution]:
    """The distributions on the path of modules, each once; none that lies in the current folder."""
    here, names = Path.cwd().resolve(), set()
    for installed in distributions():
        name = _name(installed)
        if name and name not in names and Path(str(installed.locate_file(""))).resolve() != here:
            names.add(name)
            yield installed


def _name(installed: Distribution) -> str:
    """ "" for the rest of a package that was not removed whole."""
    try:
        return str(installed.metadata["Name"] or "")
    except (LookupError, TypeError):
        return ""


def _entry_points(kind: MemberKind[T]) -> Sequence[tuple[EntryPoint, Distribution]]:
    """Those of the group of ``kind``."""
    folders = tuple((folder, _changed(folder)) for folder in sys.path)
    points = _points_of_extensions(folders, str(Path.cwd()))
    return [(point, installed) for point, installed in points if kind.group and point.group == kind.group]


@lru_cache(maxsize=4)
def _points_of_extensions(
    folders: tuple[tuple[str, int], ...], here: str
) -> Sequence[tuple[EntryPoint, Distribution]]:
    """Read again only where a folder of the module path has changed: where a package adds something, that
    takes a fifth of a second.
    """
    # Names lie in long files; where no package adds anything, as nearly everywhere, none need be read.
    texts = (installed.read_text("entry_points.txt") or "" for installed in distributions())
    if not any(f"[{GROUPS}" in text for text in texts):  # the head of a group; our own script is no group
        return []
    return [
        (point, installed)
        for installed in _installed()
        for point in installed.entry_points
        if point.group.startswith(GROUPS)
    ]


def _changed(folder: str) -> int:
    try:
        return os.stat(folder or ".").st_mtime_ns  # noqa: PTH116 - of a string that may be anything
    except OSError:
        return 0


def _is_made_for_us(installed: Distribution) -> bool:
    """Whether it says so itself."""
    required = (re.split(r"[\s\[(<>=!~;@]", text.strip(), maxsplit=1)[0] for text in installed.requires or ())
    return "oneglance" in map(str.lower, required) or any(
        point.group.startswith(GROUPS) for point in installed.entry_points
    )


def _lies_in(top: str, installed: Distribution) -> bool:
    """Whether the top module that Python would import is a file of that distribution."""
    origin = _origin(top)
    if origin is None:
        return False
    editable = _editable_folder(installed)
    if editable is not None and origin.is_relative_to(editable):
        return True
    if installed.files is None:  # some systems keep no list of files
        return origin.is_relative_to(Path(str(installed.locate_file(""))).resolve())
    return any(
        Path(str(file.locate())).resolve() == origin
        for file in installed.files
        if file.name == origin.name  # the others need not be looked up
    )


def _origin(top: str) -> Path | None:
    """The file of a top module, without running it; None where there is no such module, or it is no file."""
    try:
        spec = find_spec(top.partition(".")[0])
    except (ImportError, ValueError):
        return None
    return Path(spec.origin).resolve() if spec and spec.has_location and spec.origin else None


def _editable_folder(installed: Distribution) -> Path | None:
    """The project that was installed with ``pip install --editable``."""
    from urllib.request import url2pathname  # it loads much

    try:
        written = json.loads(installed.read_text("direct_url.json") or "{}")
        if written["dir_info"]["editable"] is not True:
            return None
        return Path(url2pathname(urlparse(written["url"]).path)).resolve()
    except (LookupError, TypeError, ValueError):
        return None
