"""The verb: open a trained network and answer over HTTP."""

from __future__ import annotations

from contextlib import ExitStack
from functools import partial
from pathlib import Path

from oneglance.errors import ConfigError, needs_extra
from oneglance.progress import Screen
from oneglance.screens.choice import default_screen
from oneglance.serving.limits import Bounds


def serve(
    run: str | Path,
    *,
    host: str = "127.0.0.1",
    port: int = 8000,
    corrections: str | Path | None = None,
    api_key: str = "",
    device: str = "auto",
    false_alarm: float | None = None,
    wait: float = 5,
    processes: int = 0,
    screen: Screen | None = None,
) -> None:
    """Answer over HTTP, with a page for people, until asked to stop (Ctrl-C or SIGTERM).

    Args:
        run: a finished run folder, or an .onnx file.
        host: the address to listen at; the default is reached from this machine only.
        port: the port to listen at; 0: any that is free.
        corrections: a .csv table that people's corrections go to, with the pictures beside it.
        api_key: what programs must send as ``Authorization: Bearer``; "": nothing.
        device: auto, cpu, cuda or mps.
        false_alarm: share of familiar pictures that may be marked as unknown; default: 0.05.
        wait: milliseconds that a picture waits for others to share its forward pass.
        processes: how many decode and answer in parallel, each with the whole network and its share of the
            processors; 0: one per processor, at most 8, which answers most pictures, or at most 2 on a GPU;
            1: all processors for each pass, if a large network is asked rarely, or memory is scarce.

    Raises:
        OneglanceError: the run cannot be served, or the address cannot be used.
    """
    with needs_extra("serve", "serve"):
        from oneglance.nn.allocator import keep_freed_memory
        from oneglance.serving.app import Settings, build_app
        from oneglance.serving.http_server import (
            is_loopback,
            log_to_stderr,
            open_socket,
            server,
            until_stopped,
        )
        from oneglance.serving.middleware import Access
        from oneglance.serving.model_pool import ModelPool, open_model

    if not api_key.isascii() or not api_key.isprintable() or " " in api_key:
        raise ConfigError(
            "a key is letters, digits and signs without spaces", hint="choose another --api-key"
        )
    screen = screen or default_screen()
    path = Path(run)
    loopback = is_loopback(host)
    settings = Settings(
        name=path.name,
        access=Access(api_key, loopback),
        bounds=Bounds(wait=wait / 1000),
        corrections=Path(corrections) if corrections else None,
    )
    opener = partial(open_model, path, device=device, false_alarm=false_alarm)
    keep_freed_memory()
    with open_socket(host, port) as listener, ExitStack() as ends:
        with needs_extra("train", "serving a run folder"):
            pool = ModelPool(opener, settings.bounds, processes, screen)
        ends.callback(pool.close)
        app = build_app(pool, settings)
        address = f"[{host}]" if ":" in host else host
        screen.say(f"open http://{address}:{listener.getsockname()[1]}/ in a browser; Ctrl-C stops")
        if not loopback and not api_key:
            screen.say("everybody who reaches this machine may ask: give --api-key to change that")
        log_to_stderr()
        until_stopped(server(app, settings.bounds), listener)
    screen.say("stopped")
