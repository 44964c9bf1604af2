"""Text that no person sees does not reach the model, trick by trick; what can be seen does."""

from __future__ import annotations

import pytest
from browser.hard_pages import PAGES, page
from browser.piloting import Pilot

pytestmark = pytest.mark.asyncio(loop_scope="module")

# Each holds the word GHOST, which is replaced by a word of its own.
TRICKS = {
    "display": "<p style='display:none'>GHOST</p>",
    "visibility": "<p style='visibility:hidden'>GHOST</p>",
    "collapse": "<div style='visibility:collapse'>GHOST</div>",
    "attribute": "<p hidden>GHOST</p>",
    "until-found": "<p hidden=until-found>GHOST</p>",
    "opacity": "<p style='opacity:0'>GHOST</p>",
    "faint": "<p style='opacity:.01'>GHOST</p>",
    "faint-twice": "<div style='opacity:.2'><div style='opacity:.2'>GHOST</div></div>",
    "filter": "<p style='filter:opacity(0)'>GHOST</p>",
    "mask": "<p style='mask-image:linear-gradient(transparent,transparent)'>GHOST</p>",
    "left": "<p style='position:absolute;left:-9999px'>GHOST</p>",
    "top": "<p style='position:absolute;top:-9999px'>GHOST</p>",
    "moved": "<p style='transform:translateX(-9999px)'>GHOST</p>",
    "fixed": "<p style='position:fixed;left:200vw'>GHOST</p>",
    "margin": "<p style='margin-left:-9999px;width:200px'>GHOST</p>",
    "indent": "<p style='text-indent:-9999px;white-space:nowrap'>GHOST</p>",
    "size-zero": "<p style='font-size:0'>GHOST</p>",
    "size-one": "<p style='font-size:1px'>GHOST</p>",
    "zoom": "<p style='zoom:.01'>GHOST</p>",
    "scale": "<p style='transform:scale(0)'>GHOST</p>",
    "scale-tiny": "<p style='transform:scale(.001)'>GHOST</p>",
    "turned": "<p style='transform:rotateY(90deg)'>GHOST</p>",
    "same-colour": "<p style='color:#fff'>GHOST</p>",
    "near-colour": "<p style='background:#123456;color:#13365a'>GHOST</p>",
    "oklch": "<p style='color:oklch(1 0 0)'>GHOST</p>",
    "alpha": "<p style='color:rgba(0,0,0,.01)'>GHOST</p>",
    "fill": "<p style='-webkit-text-fill-color:transparent'>GHOST</p>",
    "gradient": "<p style='background:linear-gradient(#fff,#fff);color:#fff'>GHOST</p>",
    "in-a-button": "<button>Go<span style='display:none'>GHOST</span></button>",
    "in-a-label": "<label>Name<span style='opacity:0'>GHOST</span><input></label>",
    "in-a-cell": "<table><tr><td>one<td style='color:#fff'>GHOST</tr></table>",
    "in-a-heading": "<h2>Title <i style='font-size:0'>GHOST</i></h2>",
    "in-a-link": "<a href=/plain>Link<span style='position:absolute;left:-999px'>GHOST</span></a>",
    "height": "<div style='height:0;overflow:hidden'>GHOST</div>",
    "max-height": "<div style='max-height:1px;overflow:hidden'>GHOST</div>",
    "width": "<div style='width:0;overflow:hidden;white-space:nowrap'>GHOST</div>",
    "padding": "<div style='height:20px;box-sizing:border-box;padding-top:20px;overflow:hidden'>"
    "GHOST</div>",
    "below-a-clip": "<div style='width:90px;height:20px;overflow:hidden;position:relative'>"
    "<span style='position:absolute;top:60px'>GHOST</span></div>",
    "clip": "<p style='position:absolute;clip:rect(0 0 0 0)'>GHOST</p>",
    "inset": "<p style='clip-path:inset(50%);position:absolute'>GHOST</p>",
    "circle": "<p style='clip-path:circle(0)'>GHOST</p>",
    "polygon": "<p style='clip-path:polygon(0 0,0 0,0 0)'>GHOST</p>",
    "under-ground": "<div style='position:relative;z-index:0'><p style='position:absolute;"
    "z-index:-1;margin:0'>GHOST</p><div style='background:#fff;height:40px'></div></div>",
    "letter-spacing": "<p style='letter-spacing:-500px'>GHOST</p>",
    "content-visibility": "<div style='content-visibility:hidden'>GHOST</div>",
    "details": "<details><summary>More</summary>GHOST</details>",
    "pixel": "<img alt='GHOST' width=1 height=1 src=/pixel.gif>",
    "comment": "<!-- GHOST -->",
    "noscript": "<noscript>GHOST</noscript>",
    "template": "<template><p>GHOST</p></template>",
    "canvas": "<canvas width=30 height=30>GHOST</canvas>",
    "video": "<video controls width=90 height=60>GHOST</video>",
    "object": "<object data=/pixel.gif type=image/gif width=30 height=30>GHOST</object>",
    "svg": "<svg width=20 height=20><desc>GHOST</desc><metadata>GHOST</metadata>"
    "<circle r=9 cx=9 cy=9></circle></svg>",
    "option": "<select><option>seen<option hidden>GHOST</select>",
    "data": "<div data-note='GHOST'>plain</div>",
    "frame-tiny": "<iframe width=1 height=1 srcdoc='<p>GHOST</p>'></iframe>",
    "frame-faint": "<iframe style='opacity:0' srcdoc='<p>GHOST</p>'></iframe>",
    "frame-away": "<iframe style='position:absolute;left:-999px' srcdoc='<p>GHOST</p>'></iframe>",
    "shadow": "<div id=host></div><script>host.attachShadow({mode:'closed'}).innerHTML = "
    '"<p style=\\"opacity:0\\">GHOST</p>"</script>',
}
SEEN = {
    "dark": "<div style='background:#123;color:#fff'>SEEN</div>",
    "half": "<p style='opacity:.5'>SEEN</p>",
    "gradient-text": "<p style='background:linear-gradient(red,blue);-webkit-background-clip:text;"
    "-webkit-text-fill-color:transparent'>SEEN</p>",
    "outlined": "<p style='color:#fff;text-shadow:0 0 2px #000'>SEEN</p>",
    "on-a-picture": "<div style='background-image:url(/pixel.gif);color:#fff'>SEEN</div>",
    "over-a-box": "<div style='position:relative;height:30px;background:#222'></div>"
    "<p style='position:relative;top:-30px;margin:0;color:#fff'>SEEN</p>",
    "small": "<p style='font-size:8px'>SEEN</p>",
    "turned": "<p style='transform:rotate(90deg);width:90px'>SEEN</p>",
    "scrolled": "<div style='height:40px;overflow:auto'><p>a</p><p>b</p><p>SEEN</p></div>",
    "contents": "<div style='display:contents'>SEEN</div>",
    "empty-parent": "<div style='width:0;height:0'><p style='width:90px'>SEEN</p></div>",
    "open-details": "<details open><summary>Less</summary>SEEN</details>",
    "ellipsis": "<p style='width:60px;overflow:hidden;white-space:nowrap;text-overflow:ellipsis'>"
    "SEEN and more words</p>",
    "label-for-readers": "<label for=q style='position:absolute;width:1px;height:1px;overflow:"
    "hidden;clip:rect(0 0 0 0)'>SEEN</label><input id=q>",
}


def word(kind: str, name: str) -> str:
    return f"{kind}-{'abcdefghij'[len(name) % 10]}{name}"


@pytest.fixture
def pilot(visit: Pilot, monkeypatch: pytest.MonkeyPatch) -> Pilot:
    tricks = "".join(html.replace("GHOST", word("ghost", n)) for n, html in TRICKS.items())
    seen = "".join(html.replace("SEEN", word("seen", n)) for n, html in SEEN.items())
    body = f"<p>first line</p>{tricks}<hr>{seen}<p>last line</p>"
    monkeypatch.setitem(PAGES, "/tricks", page(body))
    dark = "<style>:root{color-scheme:dark}</style>"
    monkeypatch.setitem(PAGES, "/dark", page("<p>light on dark</p>", head=dark))
    return visit


def leaked(text: str) -> list[str]:
    return [name for name in TRICKS if word("ghost", name) in text]


async def test_no_trick_brings_hidden_text_into_an_observation(pilot: Pilot) -> None:
    text = await pilot.goto("/tricks")
    text += await pilot.do("observe") + await pilot.do("scroll", to="bottom")
    assert "first line" in text
    assert "last line" in text
    assert leaked(text) == []


async def test_no_trick_brings_hidden_text_into_what_is_read(pilot: Pilot) -> None:
    await pilot.goto("/tricks")
    assert leaked(await pilot.do("read_page")) == []
    assert leaked(await pilot.do("find", text="ghost-")) == []
    assert leaked(await pilot.do("extract_table")) == []


async def test_what_can_be_seen_is_shown(pilot: Pilot) -> None:
    text = await pilot.goto("/tricks") + await pilot.do("find", text="seen-")
    assert [name for name in SEEN if word("seen", name) not in text] == []
    assert "light on dark" in await pilot.goto("/dark")
