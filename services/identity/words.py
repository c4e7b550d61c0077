"""The words that people read about purposes, items of agreements and helpers, from the seed."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from services.identity.domain.agreements import CATEGORY

SEED = Path(__file__).parent / "seed"
Words = Mapping[str, str]  # language -> text


@cache
def seed(file: str) -> Any:
    """Return the content of one seed file."""
    return yaml.safe_load((SEED / file).read_text(encoding="utf-8"))


def is_purpose(code: str) -> bool:
    """Whether people can be asked for an agreement with this purpose."""
    return code in seed("purposes.yaml")["purposes"]


def purpose(code: str) -> Words:
    """Return what a purpose means; the code itself when it has left the catalogue."""
    return _of("purposes", code)


def item(name: str) -> Words:
    """Return what an item of an agreement means."""
    if name.startswith(CATEGORY):
        return _of("categories", name.removeprefix(CATEGORY))
    found = seed("purposes.yaml")["items"].get(name) or seed("scopes.yaml").get(name)
    return found or {"en": name}


def _of(kind: str, code: str) -> Words:
    found: Words = seed("purposes.yaml")[kind].get(code) or {"en": code}
    return found
