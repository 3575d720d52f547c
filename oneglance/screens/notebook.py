"""The screen of a notebook: a bar of plain HTML that is drawn again in its place. It needs no widgets."""

from __future__ import annotations

import html
import time
from typing import Any

from oneglance.screens.terminal import Terminal

DRAWN_EVERY = 0.25  # seconds


class Notebook(Terminal):
    """Speaks below the running cell. Each piece of work has a bar of its own, which stays when it is done."""

    def __init__(self) -> None:
        super().__init__()
        self.live = True
        self.handle: Any = None  # of IPython: what is displayed, to be changed
        self.drawn = 0.0  # when

    def say(self, text: str) -> None:
        print(text)

    def ask(self, question: str) -> bool:
        return True

    def close(self) -> None:
        self.handle, self.what = None, ""

    def _begin(self, what: str, done: int) -> None:
        self.close()
        self.what, self.first, self.pictures = what, done, 0
        self.started, self.drawn = time.monotonic(), 0.0

    def _show(self, done: int, total: int, head: str, rest: str) -> None:
        now = time.monotonic()
        if done < total and now - self.drawn < DRAWN_EVERY:
            return
        from IPython.display import HTML, display

        self.drawn = now
        bar = HTML(_bar(done, total, head, rest))
        if self.handle is None:
            self.handle = display(bar, display_id=True)
        else:
            self.handle.update(bar)


def _bar(done: int, total: int, head: str, rest: str) -> str:
    style = (
        "display: flex; gap: 1em; align-items: center; flex-wrap: wrap; font-variant-numeric: tabular-nums"
    )
    return (
        f'<div style="{style}"><span>{html.escape(head)}</span>'
        f'<progress value="{done}" max="{total}" style="width: 14em"></progress>'
        f"<span>{html.escape(rest)}</span></div>"
    )
