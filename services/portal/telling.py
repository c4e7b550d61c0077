"""Turns exchanges and health into what the drawings need, in the page's language."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta

from servicekit.pages import language, text
from services.portal.domain import picture, sequence, times
from services.portal.domain.exchange import Exchange, Words, duration

NEAR, FAR = ("outside", "portal"), ("identity", "registers", "notify")
_LIT = timedelta(seconds=5)
OUTCOMES = ("answered", "declined", "refused", "failed")
_KNOWN_STATES = ("ready", "starting", "down")


def say(words: Words) -> str:
    """Return a text in the page's language, else in English."""
    return words.get(language()) or words.get("en", "")


def component_name(name: str) -> str:
    """Return a component's name for people."""
    known = (*NEAR, *FAR, "gateway")
    return str(text(f"component_{name}")) if name in known else name


def caller_name(exchange: Exchange) -> str:
    """Return the caller's name for people."""
    if exchange.caller == "portal":
        return component_name("portal")
    return say(exchange.caller_name) or exchange.caller or str(text("caller_unknown"))


def categories(exchange: Exchange) -> str:
    """Name the kinds of data that an exchange was about."""
    known = {"contact": "category_contact", "messages": "category_messages"}
    return ", ".join(str(text(known[c])) if c in known else c for c in exchange.categories)


def basis(exchange: Exchange) -> str:
    """Say on what ground personal data was read."""
    match (exchange.basis or "").partition(":")[0]:
        case "consent" | "own" | "statute" as kind:
            return str(text(f"basis_{kind}"))
        case _:
            return str(text("basis_none"))


def was_stopped(exchange: Exchange) -> bool:
    """Whether the gateway itself refused, so that nothing reached the service."""
    return exchange.outcome == "refused" and exchange.reason is not None


def components_picture(
    health: Mapping[str, str] | None, exchanges: Iterable[Exchange], now: datetime
) -> str:
    """Draw the platform with its health; what the calls of the last seconds touched is lit."""
    lit: set[str] = set()
    for exchange in exchanges:
        moment = times.parse(exchange.at)
        if moment is not None and now - moment < _LIT:
            caller = "portal" if exchange.caller == "portal" else "outside"
            lit |= {"gateway", caller, exchange.service}

    def box(name: str) -> picture.Box:
        if name == "outside":
            state = "outside"
        elif name == "gateway":
            state = "down" if health is None else "ready"
        else:
            state = (health or {}).get(name, "unknown")
            state = state if state in _KNOWN_STATES else "unknown"
        return picture.Box(
            component_name(name),
            str(text(f"component_{name}_says")),
            state,
            str(text(f"state_{state}")),
            name in lit,
        )

    return picture.draw(
        box("gateway"),
        [box(name) for name in NEAR],
        [box(name) for name in FAR],
        str(text("picture_title")),
        rtl=language() == "dv",
    )


def sequence_picture(exchanges: Sequence[Exchange], step: int = 0) -> str:
    """Draw the sequence diagram of exchanges, oldest first.

    step: only the first so many, the last of them emphasised; the lanes stay those of all.
    """
    callers: dict[str, sequence.Lane] = {}
    services: dict[str, sequence.Lane] = {}
    calls = []
    for number, exchange in enumerate(exchanges, 1):
        caller, service = f"caller:{exchange.caller}", exchange.service
        callers.setdefault(caller, sequence.Lane(caller, caller_name(exchange), "caller"))
        services.setdefault(service, sequence.Lane(service, component_name(service), "service"))
        if step and number > step:
            continue
        calls.append(
            sequence.Call(
                number=number,
                caller=caller,
                service=service,
                caption=say(exchange.caption),
                took=duration(exchange.duration_us),
                outcome=exchange.outcome,
                outcome_says=str(text(f"outcome_{exchange.outcome}"))
                if exchange.outcome in OUTCOMES
                else exchange.outcome,
                stopped=was_stopped(exchange),
                note=f"{categories(exchange)}\n{basis(exchange)}"
                if exchange.personal and exchange.outcome == "answered"
                else None,
                present=number == step,
            )
        )
    services.pop("gateway", None)
    gate = sequence.Lane("gateway", component_name("gateway"), "gateway")
    order = [name for name in FAR if name in services]
    order += [name for name in services if name not in order]
    return sequence.draw(
        [*callers.values(), gate, *(services[name] for name in order)],
        calls,
        str(text("sequence_title", count=len(calls))),
        people=str(text("lane_people")),
        with_people=any(exchange.personal for exchange in exchanges),
        rtl=language() == "dv",
    )
