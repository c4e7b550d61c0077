"""Email addresses: the rule of the notification API, which is stricter than RFC 5321."""

import re

from services.notify.domain.whitespace import trimmed

NOT_VALID = "Not a valid email address"
_LOCAL_PART = re.compile(r"[a-zA-Z0-9.!#$%&'*+/=?^_`{|}~-]+")
_LABEL = re.compile(r"[a-z0-9]+(-+[a-z0-9]+)*")
_TOP_LABEL = re.compile(r"[a-z]{2,63}|xn--([a-z0-9]+-)*[a-z0-9]+")


class InvalidEmail(ValueError):
    """The text is not an email address."""

    def __init__(self) -> None:
        super().__init__(NOT_VALID)


def parse(text: str) -> str:
    """Return the address in lower case, its domain in ASCII (IDNA). Raises InvalidEmail."""
    address = trimmed(text)
    local_part, at, domain = address.rpartition("@")
    if (
        not at
        or len(address) > 320
        or not _LOCAL_PART.fullmatch(local_part)
        or ".." in address
        or len(domain) > 253
    ):
        raise InvalidEmail
    try:
        host = domain.encode("idna").decode("ascii").lower()
    except UnicodeError:
        raise InvalidEmail from None
    labels = host.split(".")
    if (
        len(host) > 253
        or len(labels) < 2
        or any(len(label) > 63 or not _LABEL.fullmatch(label) for label in labels)
        or not _TOP_LABEL.fullmatch(labels[-1])
    ):
        raise InvalidEmail
    return f"{local_part.lower()}@{host}"
