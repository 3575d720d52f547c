"""reference/configuration.md: the prose of configuration.md beside this file, and the keys of every table.

In the template, ``<!-- keys -->`` becomes the table of the keys that belong under the nearest heading above,
and ``<!-- other members: KIND -->`` the sections of those members that the template does not mention.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from pathlib import Path

from pydantic import BaseModel

from generate.fields import Key, keys
from oneglance import backbone, balancer
from oneglance.config import Config
from oneglance.data.source import Source, format_class, formats
from oneglance.members import find_member
from oneglance.task import Task, kinds, task_class
from oneglance.toml.tables import Table

TEMPLATE = Path(__file__).with_name("configuration.md")


def page() -> str:
    template = TEMPLATE.read_text(encoding="utf-8")
    missing = sorted(name for name in tables() if name not in members() and name not in template)
    if missing:
        raise ValueError(f"{TEMPLATE.name} has no heading for {missing}")
    lines: list[str] = []
    heading = ""
    for line in template.splitlines():
        if line.startswith("#"):
            heading = plain(line)
        if line == "<!-- keys -->":
            lines += rows(sections()[heading][1])
        elif match := re.fullmatch(r"<!-- other members: (.+) -->", line):
            lines += other_members(match[1], {plain(one) for one in template.splitlines()})
        else:
            lines.append(line)
    return "\n".join(lines) + "\n"


def plain(heading: str) -> str:
    return heading.lstrip("#").strip().replace("`", "")


def sections() -> dict[str, tuple[type[BaseModel], list[Key]]]:
    """Heading -> the class whose fields stand there, and the keys."""
    return {name: (model, keys(model, base)) for name, (model, base) in (tables() | members()).items()}


def tables() -> dict[str, tuple[type[BaseModel], type[BaseModel]]]:
    """Heading of a table that every file may have -> its class, and the one whose keys are left out."""
    found: dict[str, tuple[type[BaseModel], type[BaseModel]]] = {
        f"[{name}]": (field.annotation, BaseModel)
        for name, field in Config.model_fields.items()
        if isinstance(field.annotation, type) and issubclass(field.annotation, Table)
    }
    return found | {"[[sources]]": (Source, BaseModel), "[tasks.NAME]": (Task, BaseModel)}


def members() -> dict[str, tuple[type[BaseModel], type[BaseModel]]]:
    """The same for the members of sources, tasks, backbones and balancers."""
    balancers: dict[str, tuple[type[BaseModel], type[BaseModel]]] = {}
    for name in balancer.names():
        method = find_member(balancer.KIND, name)
        balancers[f'balancer = "{name}"'] = method, BaseModel
    return {
        **{f'format = "{name}"': (format_class(name), Source) for name in formats()},
        **{f'type = "{name}"': (task_class(name), Task) for name in kinds()},
        **dict(backbone_options()),
        **balancers,
    }


def backbone_options() -> Iterator[tuple[str, tuple[type[BaseModel], type[BaseModel]]]]:
    for name in backbone.names():
        options = backbone.backbone_class(name).options
        if options.model_fields:
            yield f"[backbone.options] of {name}", (options, BaseModel)


def rows(keys: list[Key]) -> list[str]:
    if not keys:
        return ["No keys of its own."]
    table = ["| key | type | default | meaning |", "|---|---|---|---|"]
    for key in keys:
        cells = (f"`{key.name}`", key.type, key.default, key.meaning)
        table.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return table


def other_members(kind: str, mentioned: set[str]) -> list[str]:
    """Sections, out of docstrings, of members such as ``format`` that the template has no heading for."""
    lines: list[str] = []
    for name, (model, own) in sections().items():
        member = name.startswith(f"{kind} = ") or (
            kind == "backbone" and name.startswith("[backbone.options]")
        )
        if not member or name in mentioned or (kind == "balancer" and not own):
            continue
        word = name.replace('"', "")
        lines += [f"### `{name}`" if kind != "balancer" else f"#### `{name}`", ""]
        lines += [inspect.cleandoc(model.__doc__ or word).replace("``", "`"), "", *rows(own), ""]
    return lines[:-1]
