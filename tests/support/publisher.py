"""A server on this machine that publishes files, and that cuts, corrupts, moves or refuses them when it is told to."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from brainbench import RemoteFile


@dataclass
class Publisher:
    """files: name -> content. cut: bytes after which a connection breaks; ranges: whether it knows about them."""

    files: dict[str, bytes]
    url: str = ""
    cut: dict[str, int] = field(default_factory=dict)
    corrupt: set[str] = field(default_factory=set)
    moved: dict[str, str] = field(default_factory=dict)
    ranges: bool = True
    asked: list[tuple[str, int]] = field(default_factory=list)

    def remote(self) -> tuple[RemoteFile, ...]:
        """What a card says of these files."""
        return tuple(
            RemoteFile(name, f"{self.url}/{name}", hashlib.sha256(content).hexdigest(), len(content))
            for name, content in self.files.items()
        )


@contextmanager
def publishing(files: dict[str, bytes]) -> Iterator[Publisher]:
    """Serve the files until the block ends."""
    publisher = Publisher(files)

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

        def do_GET(self) -> None:
            name = self.path.lstrip("/")
            start = int((self.headers.get("Range") or "bytes=0-").removeprefix("bytes=").rstrip("-"))
            publisher.asked.append((name, start))
            if name in publisher.moved:
                self.send_response(302)
                self.send_header("Location", f"{publisher.url}/{publisher.moved[name]}")
                self.end_headers()
                return
            # A moved file keeps its content under the new name.
            old = {new: known for known, new in publisher.moved.items()}.get(name, name)
            if old not in publisher.files:
                self.send_error(404)
                return
            content = publisher.files[old]
            if old in publisher.corrupt:
                content = bytes([content[0] ^ 1]) + content[1:]
            start = start if publisher.ranges else 0
            self.send_response(206 if start else 200)
            self.send_header("Content-Length", str(len(content) - start))
            self.end_headers()
            self.wfile.write(content[start : start + publisher.cut.get(old, len(content))])

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    publisher.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield publisher
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
