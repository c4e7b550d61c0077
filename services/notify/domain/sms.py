"""Text messages: characters that phones can show, and how many fragments a text takes."""

import math
import re
import unicodedata

from services.notify.domain.whitespace import OBSCURE

MAX_LENGTH = 918

GSM = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
EXTENDED = frozenset("^{}\\[~]|€")
WELSH = frozenset("ÂâÊêÎîÔôÛûŴŵŶŷÁáÉéÍíÓóÚúẂẃÝýÀàÈèÌìÒòÙùẀẁỲỳÄäËëÏïÖöÜüẄẅŸÿ")
_DOWNGRADES = {
    ord(character): replacement
    for characters, replacement in (
        ("‘’‚‛′`´", "'"),
        ("“”„‟″«»", '"'),
        ("‐‑‒–—―−", "-"),
        ("…", "..."),
        ("\u00a0\t\u2002\u2003\u2009\u202f", " "),
        (OBSCURE + "\u00ad", ""),
        ("Ł", "L"),
        ("ł", "l"),
        ("•", "*"),
    )
    for character in characters
}


def readable(text: str) -> str:
    """Return a filled template as it is sent: downgraded characters, tidy spaces and lines."""
    text = text.replace("\r\n", "\n").replace("\r", "\n").translate(_SENT)
    text = "\n".join(" ".join(line.split()) for line in text.split("\n"))
    text = text.replace(" ,", ",").replace(" .", ".")
    return re.sub(r"\n{3,}", "\n\n", text).strip()


def length(text: str) -> int:
    """Count UTF-16 code units, which is what networks count."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def is_unicode(text: str) -> bool:
    """Whether the text must be sent as UCS-2 (3GPP TS 23.038), as Dhivehi is."""
    return any(character not in GSM and character not in EXTENDED for character in text)


def fragments(text: str) -> int:
    """Return how many fragments a text takes: 160 or 153 each, 70 or 67 in UCS-2."""
    if is_unicode(text):
        size, single, joined = length(text), 70, 67
    else:
        size, single, joined = len(text) + sum(c in EXTENDED for c in text), 160, 153
    return 1 if size <= single else math.ceil(size / joined)


class _Sent(dict[int, str]):
    """How each character is sent, worked out when it is first met (for ``str.translate``)."""

    def __missing__(self, code: int) -> str:
        self[code] = _downgrade(chr(code))
        return self[code]


def _downgrade(character: str) -> str:
    if character in GSM or character in EXTENDED or character in WELSH:
        return character
    if (known := _DOWNGRADES.get(ord(character))) is not None:
        return known
    if unicodedata.name(character, "").startswith("LATIN"):
        base = unicodedata.normalize("NFKD", character)
        kept = "".join(c for c in base if c in GSM)
        return kept or "?"
    # other scripts stay: their readers need them more than a fragment (Notify sends ? here)
    return character if unicodedata.category(character)[0] in "LMNP" else "?"


_SENT = _Sent(_DOWNGRADES)
