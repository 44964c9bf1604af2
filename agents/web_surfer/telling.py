"""What a run may tell a host: URLs that it opens, words that it searches for, texts that it types.

As long as nothing private was read, everything is free. Afterwards what a model has composed goes
out only where the task, the operator or a person's consent lets it. Knows no pages beyond the frame
that a field is in.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from agents.web_surfer.act_words import says_recovery, verb_in_url
from agents.web_surfer.acting import Hand
from agents.web_surfer.closing import closed_by, refusal
from agents.web_surfer.gating import Gate
from agents.web_surfer.secrets import NAMED, origin_of
from agents.web_surfer.text import neutral, one_line
from orchestrator.errors import ToolFailed

if TYPE_CHECKING:
    from agents.web_surfer.browser import ElementHandle, Frame, Page

Writing = Callable[[Hand], Awaitable[None]]
REST = "for the rest of the run this host may then be told what was read, as with --tell-host"


@dataclass(frozen=True, slots=True)
class Discretion:
    """Asks before something composed leaves the run. `gate` puts the questions."""

    gate: Gate

    async def follow(self, url: str, action: str) -> None:
        """Before a URL is opened that was not clicked. Raises ToolFailed when it must not be."""
        trust = self.gate.ports.trust
        closed = closed_by(url, self.gate.ports.closed_places)
        if closed is not None:
            raise ToolFailed(refusal(url, closed))
        if NAMED.search(url):
            raise ToolFailed("secret_refused: a secret is typed into a field, never into a URL")
        parts = urlsplit(url)
        why = None
        verb = verb_in_url(url)
        if verb is not None:
            why = f'its address says "{verb}"'
        elif says_recovery(" ".join(parts.path.replace("-", " ").replace("_", " ").split("/"))):
            why = "it begins the recovery of an account"
        elif not trust.is_from_elsewhere(url) and not trust.may_be_told(parts.netloc):
            private = trust.private()
            if private:
                why = (
                    "the URL is neither in the task nor a link or search result that was seen, "
                    f"and the run has read private things ({', '.join(sorted(private))}); {REST}"
                )
        if why is None:
            return
        await self.gate.ask(_details(action, why, url, url, "the URL", []))
        if verb is None:
            trust.note("told", parts.netloc)

    async def search(self, query: str, host: str) -> None:
        """Before a query is sent to the search provider."""
        trust = self.gate.ports.trust
        if NAMED.search(query):
            raise ToolFailed("secret_refused: a secret is typed into a field, never searched for")
        private = trust.private()
        unsaid = trust.unsaid(query)
        if not private or not unsaid or trust.may_be_told(host):
            return
        why = (
            f"the words {', '.join(unsaid[:12])} are not in the task, and the run has read private "
            f"things ({', '.join(sorted(private))}); {REST}"
        )
        fields = [{"name": "query", "value": one_line(query, 400)}]
        await self.gate.ask(_details("search", why, f"https://{host}/", "", "the query", fields))
        trust.note("told", host)

    async def say(self, text: str, page: str, element: str, action: str = "type") -> None:
        """Before a page gets a text of the model's."""
        trust, host = self.gate.ports.trust, urlsplit(page).netloc
        private = trust.private(host)
        if not private or trust.may_be_told(host) or trust.is_quoted(text):
            return
        why = (
            f"the text is not in the task, and the run has read private things "
            f"({', '.join(sorted(private))}); {REST}"
        )
        fields = [{"name": element, "value": one_line(text, 400)}]
        await self.gate.ask(_details(action, why, page, page, element, fields))
        trust.note("told", host)

    async def press(self, keys: str, page: Page) -> None:
        """Before keys are pressed: single characters are a text too."""
        typed = "".join(_character(key) for key in keys.split())
        await self.say_to_all(typed, page, f"the keys {one_line(keys, 80)}", "press")

    async def say_to_all(self, text: str, page: Page, element: str, action: str) -> None:
        """Before a text goes to whichever frame of a page takes it."""
        for place in dict.fromkeys(_maker(frame, page.url) for frame in page.frames):
            await self.say(text, place, element, action)

    async def writing(self, hand: Hand, ref: int, text: str, *, clear: bool) -> Writing:
        """How a text is put into a field, once it may be. A secret goes into the element itself,
        never through the keyboard, since a page may move the focus elsewhere."""
        handle = await hand.element(ref)
        frame = await handle.owner_frame()
        place = frame.url if frame is not None else hand.page.url
        kind = await hand.reader.call(handle, "kindOf")
        secrets, logins = self.gate.ports.secrets, self.gate.logins
        if kind["type"] == "password" and text:
            logins.check(urlsplit(place).netloc)
            logins.filled.discard(origin(place))
        value = secrets.value_for(text, place)
        if value is None:
            await self.say(text, _maker(frame, hand.page.url), hand.named(ref))
            return lambda hand: hand.type_text(ref, text, clear=clear)
        if kind["tag"] not in ("input", "textarea"):
            raise ToolFailed("secret_refused: a secret goes into an input field only")
        self.gate.ports.trust.note("private", urlsplit(place).netloc)
        if kind["type"] == "password":
            logins.filled.add(origin(place))
        return lambda _hand: _fill(handle, value)


async def _fill(handle: ElementHandle, value: str) -> None:
    await handle.fill(value, timeout=3000)


def origin(url: str) -> str:
    """The origin as a page spells it: without the usual port."""
    whole = origin_of(url)
    return whole.removesuffix(":443" if whole.startswith("https:") else ":80")


def _maker(frame: Frame | None, page: str) -> str:
    """The URL of the page that a frame belongs to: a document without an address of its own
    (`about:blank`, `srcdoc`, `blob:`) is its parent's."""
    while frame is not None:
        if frame.url.startswith(("http://", "https://")):
            return frame.url
        frame = frame.parent_frame
    return page


def _character(key: str) -> str:
    *modifiers, last = key.split("+") if key != "+" else ["+"]
    shortcut = {"Control", "Alt", "Meta", "ControlOrMeta"} & set(modifiers)
    return last if len(last) == 1 and not shortcut else ""


def _details(
    action: str, why: str, url: str, page: str, element: str, fields: list[dict[str, Any]]
) -> dict[str, Any]:
    return {
        "action": action,
        "why": why,
        "method": "GET",
        "url": neutral(url),
        "page": neutral(page),
        "element": element,
        "fields": fields,
    }
