"""Tells pages that are in the way from pages that answer: CAPTCHA, login wall, paywall, consent
banner, error page. Pure rules over the facts of `signs.js`; knows no browser.

Each rule wants the wall itself, not the talk about one: its widget, field or button on a page that
shows little else.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from orchestrator.agent import Obstacle

SHORT = 900
TEASER = 3_500
# fmt: off
_WIDGETS = re.compile(
    r"recaptcha/(?:api2|enterprise)/(?:anchor|bframe)|hcaptcha\.com|challenges\.cloudflare\.com|"
    r"arkoselabs|funcaptcha|geetest|captcha-delivery\.com|/captcha[/?.]|px-captcha|friendlycaptcha",
    re.I,
)
_CHALLENGE = re.compile(
    r"verify (?:that )?you['\u2019]?(?: a)?re (?:a |not a )?(?:human|robot|person)|"
    r"are you a robot|"
    r"i['\u2019]?a?m not a robot|unusual (?:traffic|activity)|"
    r"prove (?:that )?you['\u2019]?(?: a)?re|"
    r"complete the (?:security |captcha )?(?:check|challenge|captcha)|checking your browser|"
    r"checking if the site connection is secure|(?:enter|type) the (?:characters|letters|text) "
    r"(?:you see|shown|in the)|press (?:and|&) hold|solve (?:the|this) (?:captcha|puzzle)|"
    r"just a moment|security check|bist du ein mensch|ich bin kein roboter|je ne suis pas un robot|"
    r"no soy un robot|非机器人|ロボットではありません",
    re.I,
)
_CAPTCHA_FIELD = re.compile(r"captcha|characters you see|not a robot", re.I)
_LOGIN_WORDS = re.compile(
    r"\b(log[ -]?in|sign[ -]?in|log[ -]?on|anmelden|anmeldung|einloggen|connexion|se connecter|"
    r"iniciar sesión|acceder|accedi|entrar|inloggen|zaloguj|logga in|войти|вход)\b|登录|"
    r"ログイン|로그인",
    re.I,
)
_LOGIN_DEMAND = re.compile(
    r"(?:log|sign)[ -]?(?:in|on) (?:to|or (?:register|sign up|join) to) "
    r"(?:continue|view|read|see|access|proceed|use)|"
    r"(?:you (?:must|need to|have to)|please) (?:be )?(?:log|sign)(?:ged|ed)?[ -]?(?:in|on)\b|"
    r"(?:login|sign[ -]?in|authentication) (?:is )?required|members only|"
    r"bitte (?:melden sie sich|anmelden|einloggen)|connectez-vous pour|inicia sesión para",
    re.I,
)
_LOGIN_PATH = re.compile(r"/(?:log-?in|sign-?in|signon|auth|sso|session/new|account/login)\b", re.I)
_PAY_DEMAND = re.compile(
    r"subscribe (?:now )?to (?:continue|keep|read|unlock|access|view)|(?:to )?continue reading,? "
    r"(?:subscribe|with|this article|please)|(?:article|story|content|page) is "
    r"(?:only |exclusively )?(?:available )?(?:for|to) (?:paying )?(?:subscribers|members)|"
    r"for subscribers only|"
    r"subscriber[- ](?:only|exclusive)|already a subscriber|"
    r"reached your (?:limit|(?:free|monthly|weekly)[\w ]* limit)|"
    r"unlock (?:this|the full) (?:article|story)|"
    r"you have (?:no|\d+) free articles? (?:left|remaining)|nur für abonnenten|weiterlesen mit|"
    r"réservé aux abonnés|solo para suscriptores|riservato agli abbonati",
    re.I,
)
_SUBSCRIBE = re.compile(
    r"subscri|unlock|abonn|trial|start reading|log ?in|sign ?in|suscri|abbonat|become a member",
    re.I,
)
_MISSING = re.compile(
    r"^\W*(?:error\W*)?(?:404|410)(?:\W*$|\W+(?:error|not found|page|file|gone)\b)|"
    r"\b(?:page|file|url|site|document|content) (?:you (?:requested|are looking for) )?"
    r"(?:was |is |could |can|has )?(?:not|n['\u2019]t)(?: be)?(?: been)? (?:found|available|exist)|"
    r"^(?:page )?not found$|(?:doesn['\u2019]t|does not|no longer) exists?\b|"
    r"nothing (?:was )?found here|"
    r"(?:page|product|item) is no longer available|seite (?:wurde )?nicht gefunden|"
    r"page (?:introuvable|non trouvée)|página no encontrada|pagina non trovata|"
    r"找不到|見つかりません",
    re.I,
)
_BROKEN = re.compile(
    r"^\W*(?:error\W*)?(?:500|502|503|504)(?:\W*$|\W+(?:error|internal|bad|service|gateway)\b)|"
    r"^(?:internal server error|bad gateway|service (?:temporarily )?unavailable|gateway time-?out|"
    r"an error (?:has )?occurred|something went wrong|access denied|forbidden)\b",
    re.I,
)
# fmt: on


@dataclass(frozen=True, slots=True)
class Signs:
    """The facts of one frame: what `signs.js` has collected."""

    url: str = ""
    title: str = ""
    heading: str = ""
    text: str = ""
    status: int = 0
    overlay: str = ""
    fields: Sequence[dict[str, Any]] = ()
    frames: Sequence[str] = ()
    buttons: Sequence[str] = ()
    links: Sequence[str] = ()
    closed: bool = False
    wall: bool = False

    @classmethod
    def of(cls, facts: Any) -> Signs:
        """Read what the walker says."""
        return cls(**{name: facts[name] for name in cls.__slots__})

    @property
    def asks_for_password(self) -> bool:
        """Whether it shows a field for a password."""
        return any(field["type"] == "password" for field in self.fields)

    @property
    def headline(self) -> str:
        """What the page calls itself."""
        return f"{self.title}\n{self.heading}"


@dataclass(frozen=True, slots=True)
class Wall:
    """What is in the way, and how it was recognised."""

    kind: Obstacle
    why: str


def wall_of(page: Signs) -> Wall | None:
    """What stands between the reader and the page, or None."""
    for judge in (_captcha, _failed, _login, _pay, _consent, _soft_failure):
        wall = judge(page)
        if wall is not None:
            return wall
    return None


def _captcha(page: Signs) -> Wall | None:
    if len(page.text) > SHORT or len(page.fields) > 2:
        return None
    widget = next((frame for frame in page.frames if _WIDGETS.search(frame)), None)
    said = _CHALLENGE.search(f"{page.headline}\n{page.text}")
    field = any(_CAPTCHA_FIELD.search(field["name"]) for field in page.fields)
    pressed = any(_CHALLENGE.search(button) for button in page.buttons)
    refused = page.status in (403, 429, 503) or _CHALLENGE.search(page.title)
    if widget and len(page.fields) <= 1:
        return Wall("captcha", "it shows a challenge for humans")
    if field or pressed or (said and refused):
        return Wall("captcha", "it wants a human to solve a challenge")
    return None


def _failed(page: Signs) -> Wall | None:
    if page.url.startswith("chrome-error:"):
        return Wall("error_page", "the browser could not load it")
    if page.status in (401, 407):
        return Wall("login_wall", f"the server answered with HTTP {page.status}")
    if page.status >= 400:
        return Wall("error_page", f"the server answered with HTTP {page.status}")
    return None


def _login(page: Signs) -> Wall | None:
    if len(page.text) > SHORT:
        return None
    demand = _LOGIN_DEMAND.search(f"{page.headline}\n{page.text}")
    path = _LOGIN_PATH.search(urlsplit(page.url).path)
    named = _LOGIN_WORDS.search(page.headline)
    if page.asks_for_password and (demand or path or named):
        return Wall("login_wall", "it asks for a login")
    controls = any(_LOGIN_WORDS.search(button) for button in page.buttons)
    asked = len(page.fields) >= 1 or controls
    if demand and asked and (named or path or len(page.text) < SHORT // 2):
        return Wall("login_wall", "it asks for a login")
    return None


def _pay(page: Signs) -> Wall | None:
    demand = _PAY_DEMAND.search(page.text)
    offered = any(_SUBSCRIBE.search(button) for button in page.buttons)
    if page.closed and page.wall:
        return Wall("paywall", "the rest is for subscribers")
    if demand and offered and (page.wall or len(page.text) < TEASER):
        return Wall("paywall", "the rest is for subscribers")
    return None


def _consent(page: Signs) -> Wall | None:
    if page.overlay:
        return Wall("consent_banner", "a banner over the page asks for a consent")
    return None


def _soft_failure(page: Signs) -> Wall | None:
    if len(page.text) > SHORT:
        return None
    for line in (page.heading.strip(), page.title.strip()):
        if _MISSING.search(line):
            return Wall("error_page", "it says that there is no such page")
        if _BROKEN.search(line):
            return Wall("error_page", "it says that something has failed")
    return None
