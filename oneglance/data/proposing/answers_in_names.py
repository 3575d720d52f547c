"""A source whose pictures are called after their answers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from oneglance.data.inspection.name_shapes import propose
from oneglance.data.inspection.suggest_config import Proposal
from oneglance.data.parsing.name_pattern import name_pattern
from oneglance.data.proposing.proposed_source import proposed
from oneglance.data.quoting import quoted
from oneglance.storage.plain_files import located


def with_names(proposal: Proposal, base: Path) -> Proposal:
    """The same with the answers that the names of its pictures hold, if they do."""
    learned = [record for record in proposal.records if record.split != "test"] or proposal.records
    pattern, example = propose([record.image.name for record in learned])
    if not pattern:
        return proposal
    path = located(base, str(proposal.source["path"]))
    named = proposed(path, {**proposal.source, "name_pattern": pattern}, base)
    if not named.is_useful:
        return proposal
    held = name_pattern(pattern).answers(example)
    values = " and ".join(f"{field} is {quoted(text, 30)}" for field, text in held.items())
    notes = [
        *proposal.notes,
        f"the names of the pictures seem to hold answers: in {quoted(example)}, {values}",
        "rename these fields in name_pattern and in [tasks] together; {_} stands for text that is no answer",
    ]
    return replace(named, notes=notes)
