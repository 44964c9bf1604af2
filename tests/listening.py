"""A server on loopback for the sites of a test: what it serves is the test's own business."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Visit(BaseHTTPRequestHandler):
    """One request, answered without a word on stderr."""

    def log_message(self, format: str, *args: Any) -> None:
        """Silence: each test keeps the log that it needs."""

    def body(self) -> str:
        """What was sent along."""
        return self.rfile.read(int(self.headers.get("content-length") or 0)).decode()

    def send(
        self,
        content: bytes | str,
        media: str = "text/html; charset=utf-8",
        status: int = 200,
        **headers: str,
    ) -> None:
        """Answer; `headers` are more of them, with underscores for hyphens."""
        raw = content.encode() if isinstance(content, str) else content
        self.send_response(status)
        self.send_header("Content-Type", media)
        self.send_header("Content-Length", str(len(raw)))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(raw)


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients break off connections; that is no news."""


@contextmanager
def listening(handler: type[Visit], tls: ssl.SSLContext | None = None) -> Iterator[int]:
    """Serve in a thread; the port."""
    server = _Server(("127.0.0.1", 0), handler)
    if tls is not None:
        server.socket = tls.wrap_socket(
            server.socket, server_side=True, do_handshake_on_connect=False
        )
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield int(server.server_address[1])
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
