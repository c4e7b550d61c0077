"""One exchange in one or two plain sentences: who did what, and why it was allowed or not."""

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass

Texts = Mapping[str, str]

# First strong isolate and its end (Unicode Bidirectional Algorithm, UAX 9): what stands between
# them keeps its own direction, so that its full stop does not jump to the other end of the line.
_ISOLATE, _END = "\u2068", "\u2069"
_AGAINST = {"en": {"R", "AL"}, "dv": {"L"}}  # kinds of letters that run against the language
_CONTROLS = dict.fromkeys([*range(0x202A, 0x202F), *range(0x2066, 0x206A), 0x200E, 0x200F, 0x61C])

# The Dhivehi is a draft until a native speaker has checked it.
SOMEONE = {"en": "Someone", "dv": "އެއްވެސް ފަރާތަކުން"}
_CALLED = {"en": "{caller} called {service}.", "dv": "{caller} {service} އަށް ގުޅި."}
_PUBLIC = {
    "en": "Public data, so no purpose was needed.",
    "dv": "އެއީ އާންމު މައުލޫމާތަކަށް ވާތީ، ސަބަބެއް ބަޔާން ކުރަން ނުޖެހެއެވެ.",
}
_CONSENT = {
    "en": "Why: {purpose}. The person has agreed to this.",
    "dv": "ސަބަބަކީ: {purpose}. މި ކަމަށް އެމީހާ ވަނީ އެއްބަސްވެފައެވެ.",
}
_LAW = {
    "en": "Why: {purpose}. A law allows this; the person was not asked.",
    "dv": "ސަބަބަކީ: {purpose}. މި ކަމަށް ޤާނޫނުން ހުއްދަދެއެވެ؛ އެމީހާގެ ހުއްދައެއް ނުހޯދައެވެ.",
}
_OWN = {"en": "It is the person's own data.", "dv": "އެއީ އެމީހެއްގެ އަމިއްލަ މައުލޫމާތެވެ."}
_REFUSED = {
    "en": "The gateway stopped a call of {caller} to {service}. {sentence}",
    "dv": "{caller} {service} އަށް ކުރި ގުޅުމެއް ގޭޓްވޭއިން ހުއްޓުވި. {sentence}",
}
_DECLINED = {
    "en": "{caller} asked {service}, which showed nothing ({status}). {sentence}",
    "dv": "{caller} {service} ގައި އެދުނު، އެކަމަކު އެއްޗެއް ނުދެއްކި ({status}). {sentence}",
}
_FAILED = {
    "en": "{caller} called {service}, but no usable answer came. {sentence}",
    "dv": "{caller} {service} އަށް ގުޅި، އެކަމަކު ޖަވާބެއް ނުލިބުނެވެ. {sentence}",
}
_NOT_THERE = {
    "en": "{caller} asked {service} for something that is not there.",
    "dv": "{caller} {service} ގައި ނެތް އެއްޗެއް ހޯދަން އުޅުނެވެ.",
}
_NOT_TAKEN = {
    "en": "{caller} called {service}, which did not accept the call ({status}).",
    "dv": "{caller} {service} އަށް ގުޅި، އެކަމަކު އެ ގުޅުން ގަބޫލެއް ނުކުރި ({status}).",
}
_BROKE = {
    "en": "{caller} called {service}, where something went wrong ({status}).",
    "dv": "{caller} {service} އަށް ގުޅި، އެކަމަކު އެތަނުގައި މައްސަލައެއް ޖެހުނެވެ ({status}).",
}


@dataclass(frozen=True)
class Facts:
    """What a caption is made of: an exchange with its names looked up."""

    service: str
    outcome: str
    status: int
    caller: Texts | None = None
    says: Texts | None = None
    parameters: Mapping[str, str] | None = None
    public_data: bool = False
    basis: str | None = None
    purpose: Texts | None = None
    sentence: str | None = None


def caption(facts: Facts) -> dict[str, str]:
    """Return the caption in each language."""
    return {language: _caption(facts, language) for language in ("en", "dv")}


def _caption(facts: Facts, language: str) -> str:
    values = {
        **(facts.parameters or {}),
        "caller": _in(facts.caller or SOMEONE, language),
        "service": facts.service,
        "status": str(facts.status),
        "sentence": facts.sentence or "",
        "purpose": (facts.purpose or {}).get(language, ""),
    }
    values = {name: _isolated(value, language) for name, value in values.items()}
    parts = [_fill(text[language], values) for text in _texts(facts)]
    return " ".join(parts).strip()


def _in(names: Texts, language: str) -> str:
    """Return a name in a language; a program may have given it in one language only."""
    return names.get(language) or names.get("en") or next(iter(names.values()), "")


def _texts(facts: Facts) -> list[Texts]:
    if facts.outcome == "refused":
        return [_REFUSED]
    if facts.outcome == "declined":
        return [_DECLINED]
    if facts.outcome == "failed":
        return [_FAILED]
    if facts.status >= 500:
        return [_BROKE]
    if facts.status in (404, 410):
        return [_NOT_THERE]
    if facts.status >= 400:
        return [_NOT_TAKEN]
    texts: list[Texts] = [facts.says or _CALLED]
    if facts.basis == "consent":
        texts.append(_CONSENT)
    elif (facts.basis or "").startswith("statute:"):
        texts.append(_LAW)
    elif facts.basis == "own":
        texts.append(_OWN)
    elif facts.public_data:
        texts.append(_PUBLIC)
    return texts


def _isolated(value: str, language: str) -> str:
    """Let a value of the other direction keep to itself; a stranger's controls are dropped."""
    value = value.translate(_CONTROLS)
    against = any(unicodedata.bidirectional(c) in _AGAINST[language] for c in value)
    return f"{_ISOLATE}{value}{_END}" if against else value


def _fill(text: str, values: Mapping[str, str]) -> str:
    """Put values in their places; a place without a value keeps its name, never fails."""
    for name, value in values.items():
        text = text.replace("{" + name + "}", value)
    return text
