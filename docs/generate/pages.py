"""Every page that is made: where it lies under docs/, and its text."""

from __future__ import annotations

from generate import cli, configuration, gallery, tree

NOTE = "<!-- Made by `python docs/generate`: change {source} instead. -->\n\n"


def pages() -> dict[str, str]:
    made = {
        "reference/configuration.md": (
            "docs/generate/configuration.md, or the comment beside a field,",
            configuration.page(),
        ),
        "reference/cli.md": ("the commands in oneglance/cli/", cli.page()),
        "architecture.md": ("docs/generate/architecture.md, or a docstring,", tree.page()),
        "examples.md": ("the files in examples/, or docs/results.md,", gallery.page()),
    }
    return {place: NOTE.format(source=source) + text for place, (source, text) in made.items()}
