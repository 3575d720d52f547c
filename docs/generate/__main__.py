"""python docs/generate: write every page that is made from the code and the examples."""

import sys
from pathlib import Path

DOCS = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(DOCS))

from generate.pages import pages  # noqa: E402 - docs/ is no package that Python would find by itself

for place, text in pages().items():
    (DOCS / place).write_text(text, encoding="utf-8")
    print(f"wrote docs/{place}")
