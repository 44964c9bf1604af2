"""Serves a folder's `site/` on loopback: pages as they are, and a search over them.

Nothing is kept between requests, so an edited or removed page counts from the next one on.
"""

from __future__ import annotations

import html
import logging
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from mimetypes import guess_type
from pathlib import Path
from string import Template
from urllib.parse import parse_qs, unquote, urlsplit

LOG = logging.getLogger(__name__)
HOST = "127.0.0.1"
POLL_S = 0.1
TITLE = re.compile(r"<title>(.*?)</title>", re.DOTALL)
UNSEEN = re.compile(r"<(head|script|style|nav)\b.*?</\1>|<[^>]+>", re.DOTALL)
PAGE = Template("""<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>$title</title><link rel="stylesheet" href="/style.css"></head>
<body>
<header><nav aria-label="Main"><a href="/">Parts desk</a> <a href="/parts.html">All parts</a> \
<a href="/shipping.html">Shipping rates</a></nav></header>
<h1>$title</h1>
$body
</body>
</html>
""")


@dataclass(frozen=True, slots=True)
class Site:
    """A site that is being served. `requests` are the lines of its log."""

    port: int
    requests: list[str]

    @property
    def host(self) -> str:
        return f"{HOST}:{self.port}"

    @property
    def base_url(self) -> str:
        return f"http://{self.host}"


@contextmanager
def serve_site(folder: Path, port: int = 0) -> Iterator[Site]:
    """Serve a folder until the block is left. Raises OSError when the port is taken."""
    requests: list[str] = []
    server = ThreadingHTTPServer((HOST, port), partial(_Visit, folder.resolve(), requests))
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(POLL_S,), daemon=True)
    thread.start()
    try:
        yield Site(server.server_address[1], requests)
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Visit(BaseHTTPRequestHandler):
    """One connection; the base class calls `do_GET` and `log_message` by their names."""

    def __init__(self, folder: Path, requests: list[str], *connection: object) -> None:
        self._folder = folder
        self._requests = requests
        super().__init__(*connection)  # type: ignore[arg-type]  # the server's own arguments

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        if parts.path == "/search":
            words = parse_qs(parts.query).get("q", [""])[0]
            return self._answer(200, "text/html", found_page(self._folder, words))
        path = page_path(self._folder, unquote(parts.path))
        if path is None:
            body = PAGE.substitute(title="Page not found", body='<p><a href="/">Home</a></p>')
            return self._answer(404, "text/html", body.encode())
        return self._answer(200, guess_type(path.name)[0] or "text/plain", path.read_bytes())

    def log_message(self, format: str, *args: object) -> None:
        line = format % args
        self._requests.append(line)
        LOG.info("demo site: %s", line)

    def _answer(self, status: int, media_type: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", f"{media_type}; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        self.wfile.write(body)


def page_path(folder: Path, path: str) -> Path | None:
    """The file behind a path of the site; None when there is none, or it is outside."""
    wanted = (folder / path.lstrip("/")).resolve()
    if wanted.is_dir():
        wanted = wanted / "index.html"
    return wanted if wanted.is_relative_to(folder) and wanted.is_file() else None


def found_page(folder: Path, words: str) -> bytes:
    """The results page: every page that holds all of the words."""
    wanted = words.lower().split()
    hits = []
    for path in sorted(folder.rglob("*.html")):
        source = path.read_text(encoding="utf-8")
        title = html.unescape((TITLE.search(source) or ["", path.stem])[1])
        text = f"{title} {html.unescape(UNSEEN.sub(' ', source))}".lower()
        if wanted and all(word in text for word in wanted):
            address = html.escape(f"/{path.relative_to(folder).as_posix()}", quote=True)
            hits.append(f'<li><a href="{address}">{html.escape(title)}</a></li>')
    listed = f"<ul>\n{chr(10).join(hits)}\n</ul>" if hits else "<p>Nothing was found.</p>"
    title = html.escape(f"Search: {words}"[:200])
    return PAGE.substitute(title=title, body=listed).encode()
