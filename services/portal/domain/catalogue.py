"""Which registers of the list somebody wants to see."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

KINDS = ("real", "synthetic", "personal")


class Listed(Protocol):
    """What the list says of a register."""

    @property
    def id(self) -> str:
        """Its name in addresses."""

    @property
    def title(self) -> Mapping[str, str]:
        """Its title by language."""

    @property
    def description(self) -> Mapping[str, str]:
        """What it holds, by language."""

    @property
    def custodian(self) -> str:
        """Who keeps it."""

    @property
    def synthetic(self) -> bool:
        """Whether it is made up."""

    @property
    def personal(self) -> bool:
        """Whether it is about people."""


@dataclass(frozen=True)
class Wish:
    """What somebody looks for: words, a keeper, a kind; empty: any."""

    words: str = ""
    keeper: str = ""
    kind: str = ""

    def __bool__(self) -> bool:
        return bool(self.words or self.keeper or self.kind)


R = TypeVar("R", bound=Listed)


def chosen(registers: Sequence[R], wish: Wish) -> list[R]:
    """Return the registers that fit: every word is in the id, a title or a description."""
    return [one for one in registers if _fits(one, wish)]


def custodians(registers: Sequence[Listed]) -> list[str]:
    """Return everyone who keeps a register, in order."""
    return sorted({one.custodian for one in registers if one.custodian})


def _fits(register: Listed, wish: Wish) -> bool:
    if wish.keeper and register.custodian != wish.keeper:
        return False
    kinds = {"personal": register.personal, "synthetic": register.synthetic}
    if wish.kind and not kinds.get(wish.kind, not register.synthetic):
        return False
    texts = [register.id, *register.title.values(), *register.description.values()]
    text = " ".join(texts).casefold()
    return all(word in text for word in wish.words.casefold().split())
