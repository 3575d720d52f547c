"""A web server on this machine that gives files and parts of them, and can be slow, wrong or without end."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote

MOST = 50_000_000  # bytes that a file without end gives after all


@dataclass
class WebServer:
    """What the server gives, by path, and how it misbehaves."""

    files: dict[str, bytes] = field(default_factory=dict)
    fails: dict[str, list[int]] = field(default_factory=dict)  # path -> answers before the right one
    hangs: set[str] = field(default_factory=set)  # says nothing
    cut: set[str] = field(default_factory=set)  # breaks off after half of the file
    endless: set[str] = field(default_factory=set)
    redirects: dict[str, str] = field(default_factory=dict)
    parts: bool = True  # gives parts of files
    heads: bool = True  # knows HEAD, and tells sizes
    asked: list[tuple[str, str, str]] = field(default_factory=list)  # method, path, range
    address: str = ""
    stopping: threading.Event = field(default_factory=threading.Event)

    def gets(self, path: str) -> list[str]:
        """The ranges for which a path was read; "" for the whole."""
        return [part for method, asked, part in self.asked if method == "GET" and asked == path]


@contextmanager
def web_server() -> Iterator[WebServer]:
    told = WebServer()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, format: str, *args: object) -> None:
            pass

        def do_HEAD(self) -> None:
            if not told.heads:
                self.empty(405)
                return
            self.answer("HEAD")

        def do_GET(self) -> None:
            self.answer("GET")

        def empty(self, status: int, **headers: str) -> None:
            self.send_response(status)
            for name, value in {"Content-Length": "0", **headers}.items():
                self.send_header(name, value)
            self.end_headers()

        def answer(self, method: str) -> None:
            path = unquote(self.path).lstrip("/")
            part = self.headers.get("Range", "")
            told.asked.append((method, path, part))
            if path in told.hangs:
                told.stopping.wait(30)
                self.close_connection = True
                return
            if told.fails.get(path):
                self.empty(told.fails[path].pop(0))
                return
            if path in told.redirects:
                self.empty(302, Location=told.redirects[path])
                return
            if path in told.endless:
                self.give_without_end(method)
                return
            if path not in told.files:
                self.empty(404)
                return
            self.give(method, told.files[path], part, cut=path in told.cut)

        def give(self, method: str, content: bytes, part: str, cut: bool) -> None:
            tag = f'"{hash(content)}"'
            match = re.fullmatch(r"bytes=(\d+)-(\d+)", part)
            piece = content
            if told.parts and match and method == "GET":
                start, end = int(match[1]), min(int(match[2]) + 1, len(content))
                if start >= len(content):
                    self.empty(416)
                    return
                piece = content[start:end]
                self.send_response(206)
                self.send_header("Content-Range", f"bytes {start}-{end - 1}/{len(content)}")
            else:
                self.send_response(200)
            self.send_header("ETag", tag)
            if told.heads:
                self.send_header("Content-Length", str(len(piece)))
            else:
                self.close_connection = True
                self.send_header("Connection", "close")
            self.end_headers()
            if method == "GET":
                self.wfile.write(piece[: len(piece) // 2] if cut else piece)
                self.close_connection = self.close_connection or cut

        def give_without_end(self, method: str) -> None:
            self.send_response(200)
            self.send_header("Connection", "close")
            self.close_connection = True
            self.end_headers()
            sent = 0
            while method == "GET" and sent < MOST and not told.stopping.is_set():
                try:
                    sent += self.wfile.write(b"x" * 65536)
                except OSError:
                    return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    told.address = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield told
    finally:
        told.stopping.set()
        server.shutdown()
        server.server_close()
        thread.join()
