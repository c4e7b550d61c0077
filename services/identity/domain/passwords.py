"""Which passwords are taken: long enough and not easily guessed; nothing about their composition.

NIST SP 800-63B-4 section 3.1.1: eight characters where a second factor is asked for as well (every
account has one), 128 at most, a list of the ones that everybody tries, no rules about kinds of
characters.
"""

import re
import unicodedata
from collections.abc import Iterable

SHORTEST = 8
LONGEST = 128
_SWAPPED = str.maketrans("013457$@!|", "oieastsail")
_ROWS = (
    "1234567890",
    "0987654321",
    "qwertyuiop",
    "asdfghjkl",
    "zxcvbnm",
    "abcdefghijklmnopqrstuvwxyz",
)
# what people choose all over the world, and here; digits and signs around it make it no better
_WORDS = """
password passwort passw0rd pass passwd letmein welcome admin administrator iloveyou loveyou
sunshine princess monkey dragon football baseball basketball superman batman master shadow
michael jennifer jordan hunter ranger harley charlie andrew daniel ashley jessica summer winter
spring autumn monday friday december january february whatever trustno starwars computer
internet freedom liverpool arsenal chelsea barcelona realmadrid manchester pokemon cheese
chocolate butterfly flower secret default changeme test testing guest login root user access
hello helloworld google facebook samsung iphone android qwerty qwertyuiop asdfgh zxcvbn azerty
love lovely family forever babygirl money killer soccer hockey matrix ninja mustang cookie
pepper ginger maggie orange banana purple rainbow diamond silver golden phoenix tigger
maldives male maldivian atoll atolls dhivehi divehi thulusdhoo hulhumale addu kaafu raajje
dhivehiraajje rasmale fishing fisherman boat dhoni island ocean coral government identity
platform efaas mypassword newpassword
"""
_COMMON = frozenset(_WORDS.split())


def fault(password: str, personal: Iterable[str]) -> str | None:
    """Return what is wrong with a new password (``short``, ``long``, ``common``), or None.

    personal: names and addresses of the person, which guessers try first.
    """
    if len(password) < SHORTEST:
        return "short"
    if len(password) > LONGEST:
        return "long"
    return "common" if _is_guessable(password, personal) else None


def _is_guessable(password: str, personal: Iterable[str]) -> bool:
    plain = unicodedata.normalize("NFKC", password).casefold()
    squeezed = re.sub(r"[\W_]", "", plain)
    if len(set(squeezed)) <= 2 or _is_repeated(squeezed) or _is_run(squeezed):
        return True
    own = {part for text in personal for part in re.split(r"[\W_]+", text.casefold()) if part}
    # "Maldives2026!" and "m4ld1ves" are "maldives" to a guesser
    bare = re.sub(r"^[\W\d_]+|[\W\d_]+$", "", plain)
    cores = {squeezed, *(re.sub(r"[\W_]", "", one) for one in (bare, bare.translate(_SWAPPED)))}
    cores.add(re.sub(r"[\W_]", "", plain.translate(_SWAPPED)))
    guessed = _COMMON | own
    return any(
        core in guessed or _half(core) in guessed or _is_made_of(core, own)
        for core in cores
        if core
    )


def _is_made_of(text: str, parts: Iterable[str]) -> bool:
    """Whether next to nothing is left of a text without these parts."""
    rest = text
    for part in sorted((one for one in parts if len(one) > 2), key=len, reverse=True):
        rest = rest.replace(part, "")
    return len(rest) <= 2 and rest != text


def _half(text: str) -> str:
    middle = len(text) // 2
    return text[:middle] if text[:middle] == text[middle:] else text


def _is_repeated(text: str) -> bool:
    return any(
        len(text) % size == 0 and text == text[:size] * (len(text) // size)
        for size in range(1, min(4, len(text) // 2) + 1)
    )


def _is_run(text: str) -> bool:
    """Whether it is one stretch of a keyboard's row, of the digits or of the alphabet."""
    return any(text in row * 2 or text in row[::-1] * 2 for row in _ROWS)
