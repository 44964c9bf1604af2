"""HTML to plain markdown-like text with the standard library's parser, for pages that were fetched
without a browser. Drops what a reader would not see; knows nothing of style sheets.

Runs as a program of its own: the parser needs quadratic time on hostile pages, so it is killed
when it takes too long (`readable_html`).
"""

from __future__ import annotations

import asyncio
import json
import re
import resource
import sys
from html.parser import HTMLParser
from urllib.parse import urljoin

# fmt: off
_SILENT = frozenset({
    "script", "style", "noscript", "template", "svg", "nav", "button", "select", "textarea",
    "iframe", "object", "title",
})
_BLOCKS = frozenset({
    "p", "div", "section", "article", "main", "header", "footer", "aside", "ul", "ol", "li",
    "table", "tr", "dl", "dt", "dd", "blockquote", "pre", "hr", "figure", "figcaption", "form",
    "h1", "h2", "h3", "h4", "h5", "h6", "fieldset", "details", "summary", "address", "body",
})
_VOID = frozenset({
    "area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track",
    "wbr",
})
# fmt: on
_HIDING_STYLE = re.compile(
    r"display\s*:\s*none|visibility\s*:\s*hidden|opacity\s*:\s*0(?![.\d])|font-size\s*:\s*0", re.I
)
MAX_DEPTH = 2000
SECONDS = 10.0
MEMORY_BYTES = 1 << 30


class TextMaker(HTMLParser):
    """Collects lines; `title` is the document's."""

    def __init__(self, base_url: str) -> None:
        super().__init__(convert_charrefs=True)
        self.title = ""
        self._base = base_url
        self._lines: list[str] = []
        self._line: list[str] = []
        self._stack: list[tuple[str, bool]] = []
        self._hidden = 0
        self._link: tuple[str, int] | None = None
        self._in_title = False
        self._pre = 0

    @property
    def text(self) -> str:
        """Everything readable so far."""
        self._end_line()
        return re.sub(r"\n{3,}", "\n\n", "\n".join(self._lines)).strip()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag == "title":
            self._in_title = True
        if tag in _BLOCKS:
            self._end_line()
        if tag in _VOID:
            self._void(tag, given)
            return
        hides = tag in _SILENT or _is_hidden(given)
        if len(self._stack) < MAX_DEPTH:
            self._stack.append((tag, hides))
            self._hidden += hides
        self._pre += tag == "pre"
        if self._hidden:
            return
        if re.fullmatch("h[1-6]", tag):
            self._line.append("#" * int(tag[1]) + " ")
        elif tag == "li":
            self._line.append("- ")
        elif tag in ("td", "th"):
            self._line.append(" | ")
        elif tag == "a" and given.get("href"):
            self._link = (given["href"] or "", len(self._line))

    def handle_endtag(self, tag: str) -> None:
        if tag == "title":
            self._in_title = False
        if tag == "a" and self._link is not None:
            self._end_link()
        while any(name == tag for name, _ in self._stack[-50:]):
            name, hides = self._stack.pop()
            self._hidden -= hides
            if name == tag:
                break
        if tag == "pre":
            self._pre = max(0, self._pre - 1)
        if tag in _BLOCKS:
            self._end_line()
            if tag in ("p", "table", "ul", "ol", "pre") or tag.startswith("h"):
                self._lines.append("")

    def handle_data(self, data: str) -> None:
        if self._in_title:
            self.title = (self.title + data)[:300]
        elif not self._hidden:
            self._line.append(data if self._pre else re.sub(r"\s+", " ", data))

    def _void(self, tag: str, given: dict[str, str | None]) -> None:
        if tag == "br":
            self._end_line()
        elif tag == "img" and given.get("alt") and not self._hidden:
            self._line.append(f" {given['alt']} ")

    def _end_link(self) -> None:
        href, start = self._link or ("", 0)
        self._link = None
        said = "".join(self._line[start:]).strip()
        try:
            target = urljoin(self._base, href)
        except ValueError:
            return
        if said and target.startswith(("http://", "https://")):
            self._line[start:] = [f"[{said}]({target})"]

    def _end_line(self) -> None:
        joined = "".join(self._line)
        self._line = []
        if self._link is not None:
            self._link = (self._link[0], 0)
        kept = joined.rstrip() if self._pre else joined.strip()
        if kept.strip(" |#-"):
            self._lines.append(kept)


def html_to_text(html: str, base_url: str) -> tuple[str, str]:
    """The title and the readable text."""
    maker = TextMaker(base_url)
    maker.feed(html)
    maker.close()
    return " ".join(maker.title.split()), maker.text


def _is_hidden(given: dict[str, str | None]) -> bool:
    return "hidden" in given or bool(_HIDING_STYLE.search(given.get("style") or ""))


async def readable_html(html: str, base_url: str) -> tuple[str, str]:
    """`html_to_text` in a process of its own. Raises TimeoutError or ValueError."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-I", "-S", __file__, base_url),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        env={},
    )
    try:
        async with asyncio.timeout(SECONDS):
            written, _ = await process.communicate(html.encode("utf-8", errors="replace"))
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    title, text = json.loads(written)
    return str(title), str(text)


def main() -> None:
    """Read HTML from standard input, write title and text as JSON."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    html = sys.stdin.buffer.read().decode("utf-8")
    sys.stdout.write(json.dumps(html_to_text(html, sys.argv[1])))


if __name__ == "__main__":
    main()
