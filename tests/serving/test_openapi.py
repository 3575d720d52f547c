"""The service does what its OpenAPI document says: schemathesis makes requests from it, right ones and wrong
ones, and checks every answer.

Slow: hundreds of requests of each kind, from a process of its own.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from support.hostile import hostile
from support.service import running

from oneglance.model import Model
from oneglance.serving.app import Settings, openapi_document
from oneglance.serving.middleware import Access

EXAMPLES = 100  # of each operation

# What no schema can say: which text is a picture (so the texts made are pictures), which tasks there are, how
# many answers a picture has, and which answers a task understands (so a refusal of those with 422 is right).
HOOKS = """
import base64, sys
sys.path.insert(0, {tests!r})
import schemathesis
from hypothesis import strategies as st
from support.service import picture
schemathesis.openapi.format("byte", st.just(base64.b64encode(picture()).decode()))
schemathesis.openapi.format("binary", st.just(picture()))
"""
CONFIG = """
hooks = "hooks.py"
[[operations]]
include-path = "/explain"
checks.positive_data_acceptance.expected-statuses = ["2xx", 422]
[[operations]]
include-path = "/corrections"
checks.positive_data_acceptance.expected-statuses = ["2xx", 422]
"""


@pytest.mark.slow  # see above
@pytest.mark.parametrize(("key", "opener"), [("", None), ("open-sesame", hostile)])
def test_every_answer_is_as_the_document_says(
    tmp_path: Path, key: str, opener: Callable[[], Model] | None
) -> None:
    """Of a network with every type of task but an embedding, and of one with an embedding and odd names."""
    pytest.importorskip("schemathesis", reason="schemathesis is not installed")
    (tmp_path / "hooks.py").write_text(HOOKS.format(tests=str(Path(__file__).parents[1])))
    (tmp_path / "schemathesis.toml").write_text(CONFIG)
    settings = Settings(corrections=tmp_path / "kept" / "labels.csv", access=Access(key=key))
    with running(settings, opener) as service:
        words = [sys.executable, "-m", "schemathesis.cli", "run", f"{service.url}openapi.json"]
        words += ["--max-examples", str(EXAMPLES), "--seed", "1", "--no-color"]
        words += ["--header", f"Authorization: Bearer {key}"] if key else []
        done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-2000:]
    made = re.search(r"(\d+) generated, (\d+) passed", done.stdout)
    assert made and made[1] == made[2] and int(made[1]) > EXAMPLES, done.stdout


def test_a_key_is_in_the_document_where_there_is_one() -> None:
    assert "security" not in openapi_document((), False)
    document = openapi_document((), True)
    assert document["security"] == [{"bearer": []}, {"header": []}]
    assert document["paths"]["/health"]["get"]["security"] == []
    assert "/corrections" not in document["paths"]


def test_corrections_name_their_tasks() -> None:
    correct = openapi_document(["kind", "price"], False)["paths"]["/corrections"]["post"]
    answers = correct["requestBody"]["content"]["application/json"]["schema"]["properties"]["answers"]
    assert answers["propertyNames"] == {"enum": ["kind", "price"]}
