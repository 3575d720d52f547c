"""reference/cli.md: every command with its arguments and options, from the Typer app itself."""

from __future__ import annotations

from typing import Any

import typer

from oneglance.cli.commands import app

HEAD = """\
# Command line

Every command is also a [Python function](python.md) of the same name. This page is made from the commands
themselves; `oneglance COMMAND --help` says the same.

| exit code | meaning |
|---|---|
| 0 | All went well. |
| 1 | Refused, with one message: what is wrong, where, and what to do. |
| 2 | The command line itself is wrong. |
| 3 | All is done but for some pictures that cannot be read; each is named. |
| 130 | Stopped with Ctrl-C; `train --resume` and the same `compare` or `tune` go on. |
"""


def page() -> str:
    lines = [HEAD]
    for name, command in sorted(commands().items()):
        lines += [
            f"## `oneglance {name}`",
            "",
            command.help.strip(),
            "",
            "```text",
            usage(name, command),
            "```",
            "",
        ]
        lines += table("argument", [one for one in command.params if one.param_type_name == "argument"])
        lines += table("option", [one for one in command.params if one.param_type_name == "option"])
    return "\n".join(lines).rstrip() + "\n"


def commands() -> dict[str, Any]:
    group: Any = typer.main.get_command(app)
    return dict(group.commands)


def usage(name: str, command: Any) -> str:
    words = ["oneglance", name]
    for one in command.params:
        if one.param_type_name == "argument":
            word = one.name.upper() + ("..." if one.nargs == -1 or one.multiple else "")
            words.append(word if one.required else f"[{word}]")
    return " ".join([*words, "[OPTIONS]"])


def table(kind: str, parameters: list[Any]) -> list[str]:
    shown = [one for one in parameters if not getattr(one, "hidden", False)]
    if not shown:
        return []
    lines = [f"| {kind} | default | meaning |", "|---|---|---|"]
    for one in shown:
        cells = (names(one), default(one), meaning(one))
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return [*lines, ""]


def names(parameter: Any) -> str:
    if parameter.param_type_name == "argument":
        return f"`{parameter.name.upper()}`"
    flags = [*parameter.opts, *parameter.secondary_opts]
    return ", ".join(f"`{flag}`" for flag in flags)


def default(parameter: Any) -> str:
    value = parameter.default
    if parameter.required:
        return "needed"
    if parameter.param_type_name == "option" and parameter.is_flag:
        flag = (parameter.opts if value else parameter.secondary_opts) or [""]
        return f"`{flag[0]}`" if flag[0] else "off"
    if value in (None, "", []) or (not isinstance(value, str | int | float) and not str(value)):
        return ""
    return f"`{value}`"


def meaning(parameter: Any) -> str:
    words = (parameter.help or "").strip()
    words = words[:1].upper() + words[1:]
    if words and words[-1] not in ".!?":
        words += "."
    if parameter.param_type_name == "option" and parameter.multiple:
        words += " May be given several times."
    if variable := getattr(parameter, "envvar", None):
        words += f" Also the environment variable `{variable}`."
    return words.strip()
