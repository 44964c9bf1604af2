"""Ways out of a browser, as pages that try them: each leads to a port of its own on loopback.

The servers behind the ports write down every connection and every datagram; nothing else decides
what got out.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import parse_qs, quote, urlsplit

Kind = Literal["inline", "frame", "top", "typed"]


@dataclass(frozen=True)
class Way:
    """A way out. `html` is part of one big page (inline), a document in a frame, a page in a tab of
    its own (top), or an address that is typed. Placeholders: {http} {https} {ws} {wss} are URLs of
    the forbidden port, {port} is the port, {to} the URL as a query value."""

    kind: Kind
    html: str


def _script(text: str) -> Way:
    return Way("inline", f"<script>try {{{{ {text} }}}} catch (e) {{{{}}}}</script>")


def _worker(text: str, kind: str = "Worker") -> Way:
    made = f"new {kind}(URL.createObjectURL(new Blob([`{text}`])))"
    return _script(f"window.kept = [...(window.kept ?? []), {made}]")


def _typed(host: str) -> Way:
    return Way("typed", f"http://{host}:{{port}}/hit")


SUBMIT = "<script>document.forms[0].submit()</script>"
CLICK = "<script>document.querySelector('a').click()</script>"
WAYS: dict[str, Way] = {
    # what a page loads
    "img": Way("inline", "<img src={http}>"),
    "img set": Way("inline", "<img srcset='{http} 2x'>"),
    "iframe": Way("inline", "<iframe src={http}></iframe>"),
    "script": Way("inline", "<script async src={http}></script>"),
    "stylesheet": Way("inline", "<link rel=stylesheet href={http}>"),
    "css import": Way("frame", "<style>@import url({http});</style>"),
    "css url": Way("frame", "<p style='background: url({http})'>x</p>"),
    "font": Way(
        "frame",
        "<style>@font-face {{ font-family: f; src: url({http}) }} p {{ font-family: f }}</style>"
        "<p>x</p>",
    ),
    "object": Way("inline", "<object data={http}></object>"),
    "embed": Way("inline", "<embed src={http}>"),
    "video": Way("inline", "<video src={http} preload=auto></video>"),
    "poster": Way("inline", "<video poster={http}></video>"),
    "image button": Way("inline", "<input type=image src={http}>"),
    "svg image": Way("inline", "<svg><image href={http} width=9 height=9 /></svg>"),
    "base": Way("frame", "<base href={http}/><img src=relative>"),
    "prefetch": Way("top", "<link rel=prefetch href={http}>"),
    "preload": Way("inline", "<link rel=preload as=image href={http}>"),
    "module preload": Way("inline", "<link rel=modulepreload href={http}>"),
    "preconnect": Way("top", "<link rel=preconnect href={http}>"),
    "name prefetch": Way("inline", "<link rel=dns-prefetch href=http://leak-4711.test:{port}/>"),
    "prerender": Way(
        "top",
        '<script type=speculationrules>{{"prefetch": [{{"urls": ["{http}"], "eagerness":'
        ' "immediate"}}]}}</script>',
    ),
    # what a script asks for
    "fetch": _script("fetch('{http}').catch(() => 0)"),
    "fetch without cors": _script("fetch('{http}', {{mode: 'no-cors'}}).catch(() => 0)"),
    "kept alive": _script("fetch('{http}', {{keepalive: true, method: 'POST'}}).catch(() => 0)"),
    "xhr": _script("const x = new XMLHttpRequest(); x.open('GET', '{http}'); x.send()"),
    "beacon": _script("navigator.sendBeacon('{http}', 'x')"),
    "event source": _script("new EventSource('{http}')"),
    "websocket": _script("new WebSocket('{ws}')"),
    "secure websocket": _script("new WebSocket('{wss}')"),
    "import": _script("import('{http}').catch(() => 0)"),
    "tunnel": _script("fetch('{https}').catch(() => 0)"),
    "worker": _worker("fetch('{http}', {{mode: 'no-cors'}})"),
    "worker import": _worker("importScripts('{http}')"),
    "worker websocket": _worker("new WebSocket('{ws}')"),
    "shared worker": _worker("fetch('{http}', {{mode: 'no-cors'}})", "SharedWorker"),
    "service worker": _script("navigator.serviceWorker.register('/worker.js?to={to}')"),
    "stun": _script(
        "const p = new RTCPeerConnection({{iceServers: [{{urls: 'stun:127.0.0.1:{port}'}}]}});"
        "p.createDataChannel('x'); p.createOffer().then((o) => p.setLocalDescription(o));"
        "window.rtc = p"
    ),
    "turn over tcp": _script(
        "const q = new RTCPeerConnection({{iceTransportPolicy: 'relay', iceServers: [{{username:"
        " 'u', credential: 'c', urls: 'turn:127.0.0.1:{port}?transport=tcp'}}]}});"
        "q.createDataChannel('x'); q.createOffer().then((o) => q.setLocalDescription(o));"
        "window.rtc2 = q"
    ),
    "web transport": _script("new WebTransport('{https}').ready.catch(() => 0)"),
    # where a page goes, by itself or by a click
    "location": Way("top", "<script>location = '{http}'</script>"),
    "meta refresh": Way("top", "<meta http-equiv=refresh content='0;url={http}'>"),
    "refresh header": Way("frame", "/refresh?to={to}"),
    "window open": Way("top", "<script>open('{http}')</script>"),
    "without opener": Way("top", "<script>open('{http}', '_blank', 'noopener')</script>"),
    "link": Way("top", "<a target=_blank rel=noopener href={http}>x</a>" + CLICK),
    "ping": Way("top", "<a href=# ping={http}>x</a>" + CLICK),
    "download": Way("top", "<a download href={http}>x</a>" + CLICK),
    "get form": Way("frame", "<form action={http}><input name=a value=b></form>" + SUBMIT),
    "post form": Way("top", "<form method=post action={http}><input name=a></form>" + SUBMIT),
    "form elsewhere": Way("top", "<form method=post target=_blank action={http}></form>" + SUBMIT),
    "blob document": Way(
        "frame",
        "<script>location = URL.createObjectURL(new Blob(['<img src={http}>'], {{type:"
        " 'text/html'}}))</script>",
    ),
    "data document": Way("inline", "<iframe src='data:text/html,<img src={http}>'></iframe>"),
    "inline document": Way("inline", "<iframe srcdoc='<img src={http}>'></iframe>"),
    "sandboxed document": Way(
        "inline", "<iframe sandbox=allow-scripts srcdoc='<script src={http}></script>'></iframe>"
    ),
    # redirects of something allowed
    "redirected page": Way("typed", "{site}/redirect?to={to}"),
    "redirected frame": Way("inline", "<iframe src='/redirect?to={to}'></iframe>"),
    "redirected image": Way("inline", "<img src='/redirect?to={to}'>"),
    "redirected script": Way("inline", "<script async src='/redirect?to={to}'></script>"),
    "redirected style": Way("inline", "<link rel=stylesheet href='/redirect?to={to}'>"),
    "redirected fetch": _script("fetch('/redirect?to={to}').catch(() => 0)"),
    "redirected post": _script(
        "fetch('/redirect?code=307&to={to}', {{method: 'POST'}}).catch(() => 0)"
    ),
    "redirected worker": _worker("fetch(location.origin + '/redirect?to={to}')"),
    "redirected event source": _script("new EventSource('/redirect?to={to}')"),
    "redirected twice": Way("inline", "<img src='/redirect?to=/redirect%3Fto%3D{to}'>"),
    # what a server's headers ask for
    "policy report": Way("frame", "/report?to={to}"),
    "link header": Way("frame", "/link?to={to}"),
    "alternative service": _script("fetch('/alternative?port={port}').then(() => fetch('/x'))"),
    # other spellings of the same address, and names that lead to it
    "typed": _typed("127.0.0.1"),
    "source view": Way("typed", "view-source:{http}"),
    "decimal": _typed("2130706433"),
    "octal": _typed("0177.0.0.01"),
    "hexadecimal": _typed("0x7f000001"),
    "short": _typed("127.1"),
    "zero": _typed("0.0.0.0"),
    "trailing dot": _typed("127.0.0.1."),
    "wide digits": _typed("\uff11\uff12\uff17.0.0.1"),
    "percent": _typed("%31%32%37.0.0.1"),
    "mapped": _typed("[::ffff:127.0.0.1]"),
    "mapped in hexadecimal": _typed("[::ffff:7f00:1]"),
    "user name": Way("typed", "http://allowed.test@127.0.0.1:{port}/hit"),
    "backslash": Way("typed", "http:\\\\127.0.0.1:{port}\\hit"),
    "localhost": _typed("localhost"),
    "below localhost": _typed("a.localhost"),
    "name for an address": _typed("127-0-0-1.wildcard.test"),
    "mapped by name": _typed("mapped.test"),
    "name of two addresses": _typed("both.test"),
    "rebound name": _script(
        "setInterval(() => fetch('http://rebind.test:{port}/hit').catch(() => 0), 300)"
    ),
}


@dataclass
class Outside:
    """The servers. `hits` names the ways that got out, `site` the one that may be visited."""

    site: str = ""
    ports: dict[str, int] = field(default_factory=dict)
    hits: set[str] = field(default_factory=set)

    def name_of(self, port: int) -> str:
        return next((name for name, its in self.ports.items() if its == port), "")

    def filled(self, name: str) -> str:
        """A way with its placeholders replaced."""
        port = self.ports[name]
        there = f"127.0.0.1:{port}/hit"
        return WAYS[name].html.format(
            http=f"http://{there}",
            https=f"https://{there}",
            ws=f"ws://{there}",
            wss=f"wss://{there}",
            port=port,
            site=self.site,
            to=quote(f"http://{there}", safe=""),
        )

    def pages(self) -> list[str]:
        """The addresses to open, each in a tab."""
        own = [f"{self.site}/way/{quote(name)}" for name, way in WAYS.items() if way.kind == "top"]
        typed = [self.filled(name) for name, way in WAYS.items() if way.kind == "typed"]
        return [f"{self.site}/all", *own, *typed]

    def document(self, path: str) -> tuple[str, str]:
        """Extra header lines and the body of a page of the site."""
        parts = urlsplit(path)
        asked = {key: values[0] for key, values in parse_qs(parts.query).items()}
        to = asked.get("to", "")
        match parts.path:
            case "/all":
                return "", self._all()
            case "/redirect":
                return f"Location: {to}\r\n", ""
            case "/refresh":
                return f"Refresh: 0; url={to}\r\n", "x"
            case "/report":
                policy = f"img-src 'none'; report-uri {to}"
                return f"Content-Security-Policy: {policy}\r\n", "<img src=/x>"
            case "/link":
                return f"Link: <{to}>; rel=preload; as=image\r\n", "x"
            case "/alternative":
                return f'Alt-Svc: h3=":{asked["port"]}"; ma=600\r\n', "x"
            case "/worker.js":
                return "", f"fetch('{to}', {{mode: 'no-cors'}})"
        name = parts.path.removeprefix("/way/").replace("%20", " ")
        return "", self.filled(name) if name in WAYS else "x"

    def _all(self) -> str:
        parts = []
        for name, way in WAYS.items():
            if way.kind == "inline":
                parts.append(self.filled(name))
            if way.kind == "frame":
                filled = self.filled(name)
                place = filled if filled.startswith("/") else f"/way/{quote(name)}"
                parts.append(f"<iframe src='{place}'></iframe>")
        return "<!doctype html><meta charset=utf-8>" + "\n".join(parts)


Answer = Callable[[str], tuple[str, str, str]]
"""From a path to status, header lines and body."""
OUT = ("200 OK", "Content-Type: text/plain\r\n", "out")


@contextlib.asynccontextmanager
async def outside(names: Sequence[str] = tuple(WAYS)) -> AsyncIterator[Outside]:
    """A forbidden port for every way, over TCP and UDP, and the site that may be visited."""
    found = Outside()
    async with contextlib.AsyncExitStack() as stack:
        server = await stack.enter_async_context(await _serving(lambda path: _page(found, path)))
        found.site = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        for name in names:
            found.ports[name] = await _forbidden(stack, found, name)
        yield found


async def _serving(answer: Answer, note: Callable[[], None] = lambda: None) -> asyncio.Server:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        note()
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            status, fields, body = answer(head.split(" ")[1])
            writer.write(
                f"HTTP/1.1 {status}\r\nContent-Length: {len(body.encode())}\r\n{fields}"
                "Access-Control-Allow-Origin: *\r\nConnection: close\r\n\r\n".encode()
                + body.encode()
            )
            await writer.drain()
        writer.close()

    return await asyncio.start_server(serve, "127.0.0.1", 0)


def _page(found: Outside, path: str) -> tuple[str, str, str]:
    fields, body = found.document(path)
    code = parse_qs(urlsplit(path).query).get("code", ["302"])[0]
    status = f"{code} Found" if fields.startswith("Location") else "200 OK"
    media = "text/javascript" if path.startswith("/worker.js") else "text/html; charset=utf-8"
    return status, f"{fields}Content-Type: {media}\r\n", body


async def _forbidden(stack: contextlib.AsyncExitStack, found: Outside, name: str) -> int:
    def note() -> None:
        found.hits.add(name)

    class Datagrams(asyncio.DatagramProtocol):
        def datagram_received(self, data: bytes, addr: object) -> None:
            note()

    server = await stack.enter_async_context(await _serving(lambda _path: OUT, note))
    port: int = server.sockets[0].getsockname()[1]
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(Datagrams, local_addr=("127.0.0.1", port))
    stack.callback(transport.close)
    return port
