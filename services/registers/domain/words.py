"""The words of a record and of a search: the same rules for both, whatever database keeps them.

A word is a run of letters, digits and marks. In Thaana every vowel is a mark: rules that end a
word at a mark, as many do, would cut ތުލުސްދޫ into six pieces and find the wrong islands.
"""

import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import unquote

from services.registers.domain.items import Field

MAX_WORD, MAX_WORDS, MAX_VALUE, MAX_TERM = 60, 400, 100, 255
LAST = "\U0010ffff"  # sorts after every character that a word has
_ACCENTS = dict.fromkeys(range(0x300, 0x370))  # of Latin letters: Malé is found as male
_UNWORDY = ("hash", "point", "url")
_UNSORTED = ("text", *_UNWORDY)


def words_of(text: str) -> list[str]:
    """Return the words of a text in their order: small letters, no accents, vowel signs kept."""
    plain = unicodedata.normalize("NFKD", text).translate(_ACCENTS).casefold()
    found, word = [], ""
    for mark in plain:
        if unicodedata.category(mark)[0] in "LNM" or unicodedata.category(mark) == "Co":
            word += mark
        elif word:
            found.append(word[:MAX_WORD])
            word = ""
    if word:
        found.append(word[:MAX_WORD])
    return found


def value_term(field: str, value: str) -> str | None:
    """Return the term under which a record with this value is found; no word begins so."""
    term = f"={field}={unicodedata.normalize('NFC', value)}"
    return term if len(value) <= MAX_VALUE and len(term) <= MAX_TERM else None


def value_of(term: str) -> str:
    """Return the value of a term that ``value_term`` made."""
    return term[1:].partition("=")[2]


def is_sorted_by(field: Field, key_field: str) -> bool:
    """Tell whether records are sorted by the values of a field."""
    return field.id != key_field and field.datatype not in _UNSORTED and field.format != "point"


def terms_of(fields: Sequence[Field], key_field: str, item: Mapping[str, Any]) -> set[str]:
    """Return every term under which a record is found: its words and its values."""
    found: dict[str, None] = {}
    values: set[str] = set()
    for field in fields:
        given = item.get(field.id) or ()
        for value in (given,) if isinstance(given, str) else given:
            if field.datatype not in _UNWORDY and field.format != "point":
                text = unquote(value.partition(":")[2]) if field.datatype == "curie" else value
                found.update(dict.fromkeys(words_of(text)))
            if is_sorted_by(field, key_field) and (term := value_term(field.id, value)):
                values.add(term)
    return {*list(found)[:MAX_WORDS], *values}


def label_of(register: str, fields: Iterable[Field], item: Mapping[str, Any]) -> dict[str, str]:
    """Return what people call a record: its name, in Dhivehi too where it has one."""
    known = [field.id for field in fields]
    first = next(
        (
            name
            for name in ("name", "title", "label", f"{register}-name", "text")
            if name in known and isinstance(item.get(name), str) and item[name]
        ),
        None,
    )
    if first is None:
        return {}
    label = {"en": str(item[first])}
    dhivehi = item.get(f"{first}-dv")
    return label | ({"dv": dhivehi} if isinstance(dhivehi, str) and dhivehi else {})


def rank(
    asked: Sequence[str], key: str, label: Mapping[str, str], item: Mapping[str, Any]
) -> tuple[int, str]:
    """Return where a record that fits comes among the others; the lowest is the first."""
    together = " ".join(asked)
    names = [" ".join(words_of(text)) for text in (key, *label.values())]
    if together in names:
        return 0, key
    if any(name.startswith(together) for name in names):
        return 1, key
    if any(f" {name}".find(f" {together}") >= 0 for name in names):
        return 2, key
    others = (value for value in item.values() if isinstance(value, str))
    return (3 if any(" ".join(words_of(value)) == together for value in others) else 4), key
