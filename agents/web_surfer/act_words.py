"""The words of acts that cannot be undone, in several languages, and the spots where they stand.

Tables and pure functions; what follows from a word is decided in `approving.py`.
"""

from __future__ import annotations

import re
from urllib.parse import parse_qsl, unquote, urlsplit

# fmt: off
_DELETE = (
    "delete", "remove", "erase", "wipe", "destroy", "deactivate", "terminate", "revoke",
    "close account", "cancel order", "cancel account", "cancel subscription", "cancel booking",
    "cancel membership", "cancel my", "cancel plan", "unsubscribe", "leave group",
    "löschen", "lösche", "entfernen", "kündigen", "deaktivieren", "stornieren", "abbestellen",
    "supprimer", "supprime", "effacer", "résilier", "désactiver", "annuler la commande",
    "annuler l'abonnement", "se désabonner",
    "eliminar", "borrar", "desactivar", "anular", "cancelar suscripción", "cancelar pedido",
    "darse de baja", "elimina", "eliminare", "cancellare", "cancella", "disattiva", "disdici",
    "rimuovi", "excluir", "apagar", "remover", "cancelar assinatura", "verwijderen", "verwijder",
    "opzeggen", "usuń", "skasuj", "anuluj", "radera", "ta bort", "slet", "poista", "sil",
    "kald\u0131r",
    "удалить", "стереть", "отменить", "отписаться",
)
_SEND = (
    "send", "publish", "submit payment", "post comment", "post message", "post reply", "tweet",
    "senden", "abschicken", "absenden", "veröffentlichen", "envoyer", "publier", "enviar",
    "publicar", "invia", "inviare", "pubblica", "verzenden", "versturen", "wyślij", "skicka",
    "gönder", "отправить", "опубликовать", "vote", "sign contract", "sign document",
)
_BUY = (
    "buy", "order", "pay", "purchase", "checkout", "check out", "place order", "subscribe",
    "donate", "book now", "bid", "place bid", "start trial", "upgrade now", "top up",
    "kaufen", "kauf", "bestellen", "bestelle", "bezahlen", "zahlen", "kostenpflichtig",
    "abonnieren", "spenden", "buchen", "acheter", "commander", "payer", "s'abonner", "réserver",
    "faire un don", "comprar", "pagar", "pedir", "suscribirse", "reservar", "donar", "acquista",
    "compra", "paga", "ordina", "abbonati", "prenota", "assinar", "kopen", "betalen",
    "kup", "kupuję", "zapłać", "zamów", "köp", "beställ", "betala", "sat\u0131n al", "öde",
    "купить", "оплатить", "заказать", "подписаться",
)
_TRANSFER = (
    "transfer", "withdraw", "wire", "sell", "überweisen", "verkaufen", "auszahlen", "virer",
    "transférer", "vendre", "transferir", "vender", "retirar", "trasferisci", "vendi",
    "overmaken", "przelej", "överför", "перевести",
)
_CONFIRM = (
    "confirm", "bestätigen", "confirmer", "confirmar", "conferma", "bevestigen", "potwierdź",
    "bekräfta", "onayla", "подтвердить",
)
_SIGN_UP = (
    "sign up", "signup", "register", "create account", "create an account", "create my account",
    "create your account", "join now", "registrieren", "konto erstellen", "s'inscrire",
    "créer un compte", "registrarse", "crear cuenta", "registrati", "crea account", "cadastrar",
    "registreren", "zarejestruj", "registrera", "зарегистрироваться",
)
_RECOVERY = (
    "forgot password", "forgot your password", "forgotten password", "forgot my password",
    "reset password", "reset my password", "reset your password", "recover account",
    "recover my account", "recover your account", "account recovery", "password recovery",
    "recover password", "lost password", "passwort vergessen", "kennwort vergessen",
    "passwort zurücksetzen", "mot de passe oublié", "réinitialiser le mot de passe",
    "olvidé mi contraseña", "recuperar contraseña", "recuperar cuenta", "restablecer contraseña",
    "password dimenticata", "recupera password", "esqueci a senha", "recuperar senha",
    "wachtwoord vergeten", "nie pamiętam hasła", "glömt lösenord", "забыли пароль",
)
_UNSPACED = (
    "删除", "刪除", "移除", "注销", "取消订单", "发送", "發送", "发布", "提交订单", "购买", "購買",
    "支付", "付款", "下单", "订阅", "转账", "轉帳", "确认", "確認", "削除", "解約", "退会", "送信",
    "投稿", "購入", "注文", "支払", "振込", "送金", "確定", "삭제", "보내기", "구매", "결제",
    "송금", "忘记密码", "パスワードを忘れ", "注册", "登録",
)
# Verbs that a path or a query may hold as an act of its own.
_URL_VERBS = frozenset({
    "delete", "remove", "destroy", "erase", "wipe", "deactivate", "terminate", "revoke",
    "unsubscribe", "cancel", "buy", "purchase", "pay", "order", "placeorder", "transfer",
    "withdraw", "send", "publish", "donate", "confirm", "vote", "unfollow", "recover", "trash",
    "drop", "purge",
})
_FIRM_VERBS = frozenset({
    "delete", "destroy", "erase", "wipe", "deactivate", "terminate", "unsubscribe", "purge",
    "buy", "purchase", "pay", "transfer", "withdraw", "donate", "checkout", "placeorder", "order",
})
_ENDING_VERBS = frozenset({
    "delete", "destroy", "erase", "wipe", "deactivate", "terminate", "unsubscribe", "purge",
    "remove", "cancel",
})
_QUERY_KEYS = frozenset({"action", "do", "act", "op", "cmd", "command", "task", "mode", "_method",
    "method",
})
_ARTICLES = frozenset({
    "wiki", "dictionary", "definition", "word", "words", "tag", "tags", "topic", "topics", "docs",
    "doc", "blog", "news", "article", "articles", "search", "category", "glossary", "help", "faq",
})
# fmt: on
_TERMS = re.compile(
    r"\b(terms|conditions|user agreement|licen[cs]e|eula|privacy policy|code of conduct|agb|"
    r"nutzungsbedingungen|geschäftsbedingungen|datenschutzerklärung|conditions générales|cgu|cgv|"
    r"términos|condiciones|termini|condizioni|voorwaarden|termos|regulamin|villkor|условия)\b",
    re.I,
)
_AGREE = re.compile(
    r"\b(i (?:have read and )?(?:agree|accept|consent)|agree|accept|acknowledge|akzeptiere|"
    r"akzeptieren|stimme|zustimmen|einverstanden|j'accepte|accepter|acepto|aceptar|accetto|"
    r"accetta|aceito|akkoord|akceptuję|godkänner|принимаю|согласен)\b",
    re.I,
)
_COOKIES = re.compile(r"cookie|consent preferences|tracking|werbepartner|traceurs|rastreo", re.I)
_NOT_THE_ACT = re.compile(
    r"\b(order by|sort order|order history|in order|pay attention|delete key|your orders?|"
    r"my orders?|order number|order status|track order|how to|buying guide)\b",
    re.I,
)


def _pattern(words: tuple[str, ...]) -> re.Pattern[str]:
    alternatives = "|".join(re.escape(word) for word in sorted(words, key=len, reverse=True))
    return re.compile(rf"(?<!\w)(?:{alternatives})(?!\w)", re.I)


_IRREVERSIBLE = _pattern(_DELETE + _SEND + _BUY + _TRANSFER + _CONFIRM)
_JOINING = _pattern(_SIGN_UP)
_RECOVERING = _pattern(_RECOVERY)


def irreversible_word(name: str) -> int | None:
    """Where a name says that something is done for good, or None."""
    plain = _NOT_THE_ACT.sub(lambda found: " " * len(found[0]), name)
    found = _IRREVERSIBLE.search(plain)
    if found is not None:
        return found.start()
    return next((plain.find(word) for word in _UNSPACED if word in plain), None)


def says_sign_up(name: str) -> bool:
    """Whether a control makes an account."""
    return _JOINING.search(name) is not None


def says_recovery(name: str) -> bool:
    """Whether a control or a page is about getting into an account without its password."""
    return _RECOVERING.search(name) is not None


def accepts_terms(name: str, around: str) -> bool:
    """Whether a control agrees to terms in somebody's name; a cookie banner is no such thing."""
    if not _AGREE.search(name):
        return False
    if _TERMS.search(name):
        return True
    return bool(_TERMS.search(around)) and not _COOKIES.search(f"{name} {around}")


def verb_in_url(url: str) -> str | None:
    """The verb of a URL that does something when it is merely opened (`/items/7/delete`,
    `?action=remove`), or None for one that only shows something."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return None
    for key, value in parse_qsl(parts.query, keep_blank_values=True):
        if key.lower() in _QUERY_KEYS and value.lower() in _URL_VERBS:
            return value.lower()
        if not value and key.lower() in _URL_VERBS:
            return key.lower()
    segments = [unquote(segment) for segment in parts.path.split("/") if segment]
    while segments and re.fullmatch(r"[\d.-]+|[0-9a-f-]{16,}", segments[-1]):
        segments.pop()  # the number or id of what it is done to
    if not segments or (len(segments) > 1 and segments[-2].lower() in _ARTICLES):
        return None
    return _verb(segments[-1])


def firm_verb(text: str) -> str | None:
    """A verb among the words of a script or an address (`deleteAccount()`, `/cart/buy`)."""
    return next((word for word in _tokens(text) if word in _FIRM_VERBS), None)


def _verb(segment: str) -> str | None:
    if segment[:1].isupper() and "." not in segment:
        return None  # the title of an article
    stem, _, ending = segment.partition(".")
    if ending.lower() in ("png", "svg", "gif", "jpg", "jpeg", "webp", "ico", "css", "js"):
        return None
    words = _tokens(stem)
    if "".join(words) in _URL_VERBS:
        return " ".join(words)
    two = len(words) == 2 and words[0] in _ENDING_VERBS
    return words[0] if two else None


def _tokens(text: str) -> list[str]:
    spaced = re.sub(r"([a-z])([A-Z])", r"\1 \2", text)
    return [word.lower() for word in re.findall(r"[A-Za-z]+", spaced)]
