"""What is worth a second look in a template: reading age, fragments, links, ways out."""

import re
from dataclasses import dataclass

from services.notify.domain import language, sms
from services.notify.domain import template as rules

READING_AGE = 14  # what most adults read without effort
_LONG_SUBJECT = 90
_LONG_SENTENCE = 25
_FEW_WORDS = 20
_FRAGMENTS = 3
_WORD = re.compile(r"[A-Za-z][A-Za-z'’]*")
_SENTENCE = re.compile(r"[.!?:]+(?:\s|$)|\n{2,}|^[*#•-].*$", re.MULTILINE)
_VOWELS = re.compile(r"[aeiouy]+")
_LINK = re.compile(r"https?://\S+")
_PLACEHOLDER = re.compile(r"\(\([^()]*\)\)")
_WAY_OUT = re.compile(r"unsubscribe|stop (?:getting|receiving)|opt[ -]?out|\bSTOP\b", re.IGNORECASE)


@dataclass(frozen=True)
class Finding:
    """One thing to look at. level: error (cannot be saved), warning, or note."""

    rule: str
    level: str
    message: str


def look(
    type_: str, subject: str | None, body: str, *, has_unsubscribe: bool = False
) -> list[Finding]:
    """Return what is worth a second look."""
    found = [*_form(type_, subject, body)]
    if type_ == "sms":
        found += _fragments(body)
    if type_ == "email" and not has_unsubscribe and not _WAY_OUT.search(body):
        message = (
            "Nobody can unsubscribe. If it is more than an answer to what the reader did, set "
            "has_unsubscribe or say in the text how to stop these emails."
        )
        found.append(Finding("missing-unsubscribe", "warning", message))
    if any(link.startswith("http://") for link in _LINK.findall(body)):
        found.append(Finding("insecure-link", "warning", "A link begins with http, not https."))
    return found + _reading(body)


def reading_age(text: str) -> float | None:
    """Return the age at which English like this is read (Flesch-Kincaid), None for little text."""
    plain = _LINK.sub(" ", _PLACEHOLDER.sub("word", text))
    words = _WORD.findall(plain)
    if len(words) < _FEW_WORDS or language.of(text) != "en":
        return None
    sentences = max(1, len([part for part in _SENTENCE.split(plain) if part.strip()]))
    syllables = sum(_syllables(word) for word in words)
    grade = 0.39 * len(words) / sentences + 11.8 * syllables / len(words) - 15.59
    return round(max(grade, 0.0) + 5, 1)


def _form(type_: str, subject: str | None, body: str) -> list[Finding]:
    found = []
    if not body.strip():
        found.append(Finding("empty", "error", "The text is empty."))
    if type_ != "sms" and not (subject or "").strip():
        found.append(Finding("no-subject", "error", "The subject is empty."))
    if subject and len(subject) > _LONG_SUBJECT:
        message = f"The subject has {len(subject)} characters; phones show the first 40 or so."
        found.append(Finding("long-subject", "warning", message))
    for text in (subject or "", body):
        if _PLACEHOLDER.sub("", text).count("((") or _PLACEHOLDER.sub("", text).count("))"):
            message = "Brackets of a placeholder do not match: write ((name))."
            found.append(Finding("brackets", "error", message))
    if len(names := rules.placeholders(subject, body)) > 30:
        found.append(Finding("many-placeholders", "note", f"It needs {len(names)} values."))
    return found


def _fragments(body: str) -> list[Finding]:
    text = sms.readable(_PLACEHOLDER.sub("x" * 12, body))
    count = sms.fragments(text)
    found = []
    if sms.length(text) > sms.MAX_LENGTH:
        message = f"It has {sms.length(text)} characters; {sms.MAX_LENGTH} can be sent."
        found.append(Finding("too-long", "error", message))
    if sms.is_unicode(text):
        odd = sorted({c for c in text if c not in sms.GSM and c not in sms.EXTENDED})
        message = (
            f"These characters make fragments of 70 instead of 160: {' '.join(odd[:10])}. "
            f"It takes about {count}."
        )
        found.append(Finding("unicode", "note", message))
    level = "warning" if count > _FRAGMENTS else "note"
    message = f"With values of 12 characters it takes {count} fragments; each is paid for."
    if count > 1:
        found.append(Finding("fragments", level, message))
    return found


def _reading(body: str) -> list[Finding]:
    age = reading_age(body)
    if age is None:
        return []
    if age > READING_AGE:
        message = (
            f"It reads like for somebody aged {age:.0f}; write for {READING_AGE}: shorter "
            f"sentences (under {_LONG_SENTENCE} words), everyday words."
        )
        return [Finding("reading-age", "warning", message)]
    return [Finding("reading-age", "note", f"It reads like for somebody aged {age:.0f}.")]


def _syllables(word: str) -> int:
    lower = word.lower()
    count = len(_VOWELS.findall(lower))
    if lower.endswith("e") and not lower.endswith("le") and count > 1:
        count -= 1
    return max(count, 1)
