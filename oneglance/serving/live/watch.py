"""The verb: look at a training of another process, or at a finished one."""

from __future__ import annotations

from pathlib import Path

from oneglance.errors import needs_extra
from oneglance.progress import Screen
from oneglance.screens.choice import default_screen


def watch(run: str | Path, *, port: int = 0, screen: Screen | None = None) -> None:
    """Show how a training goes, on a page that only this machine reaches, until asked to stop (Ctrl-C).

    Args:
        run: a run folder, finished or not.
        port: the port to listen at; 0: any that is free.

    Raises:
        OneglanceError: it is no run folder, or the port cannot be used.
    """
    with needs_extra("serve", "watch"):
        from oneglance.serving.http_server import open_socket, server, until_stopped
        from oneglance.serving.limits import Bounds
        from oneglance.serving.live.live_page import HOST, live_app
        from oneglance.serving.live.live_state import state_of
    with needs_extra("train", "look at a run folder"):
        from oneglance.storage.run_folder import RunFolder

    path = RunFolder.open(run).path
    screen = screen or default_screen()
    with open_socket(HOST, port) as listener:
        screen.say(f"open http://{HOST}:{listener.getsockname()[1]}/ in a browser; Ctrl-C stops")
        until_stopped(server(live_app(lambda: state_of(path), lambda: path), Bounds()), listener)
    screen.say("stopped")
