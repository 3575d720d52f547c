"""The container's files, as far as they can be checked without an engine."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

from oneglance.cli.commands import app

ROOT = Path(__file__).resolve().parents[2]
DOCKERFILE = (ROOT / "deploy" / "Dockerfile").read_text(encoding="utf-8")
STAGES = DOCKERFILE.replace("\\\n", " ").split("\nFROM ")
COMPOSE: Any = yaml.safe_load((ROOT / "deploy" / "compose.yaml").read_text(encoding="utf-8"))
SERVICE = COMPOSE["services"]["oneglance"]


def test_the_last_stage_has_no_rights_and_builds_nothing() -> None:
    last = STAGES[-1]
    user = re.findall(r"^USER (\S+)", last, re.MULTILINE)
    assert user == ["oneglance"]
    assert "pip install" not in last
    assert "apt-get" not in last
    assert last.index("\nUSER ") < last.index("\nENTRYPOINT ")


def test_what_is_copied_is_there_and_not_ignored() -> None:
    ignored = (ROOT / "deploy" / "Dockerfile.dockerignore").read_text(encoding="utf-8").split()
    copied = [
        word
        for line in re.findall(r"^COPY (?!--from)(.+)$", DOCKERFILE, re.MULTILINE)
        for word in line.split()[:-1]
    ]
    assert "oneglance" in copied
    for name in copied:
        assert (ROOT / name).exists()
        assert f"!{name}" in ignored


@pytest.mark.parametrize("words", [json.loads(STAGES[-1].rpartition("\nCMD ")[2]), SERVICE["command"]])
def test_what_is_started_is_a_command(words: list[str]) -> None:
    group: Any = typer.main.get_command(app)
    given = group.commands[words[0]].make_context(words[0], words[1:]).params
    assert given["host"] == "0.0.0.0"
    assert given["port"] == 8000


def test_compose_keeps_the_service_in() -> None:
    assert SERVICE["ports"] == ["127.0.0.1:8000:8000"]
    assert SERVICE["read_only"] is True
    assert SERVICE["cap_drop"] == ["ALL"]
    assert (ROOT / "deploy" / SERVICE["build"]["context"] / SERVICE["build"]["dockerfile"]).is_file()
    named = {volume.partition(":")[0] for volume in SERVICE["volumes"] if not volume.startswith(".")}
    assert named == set(COMPOSE["volumes"])
