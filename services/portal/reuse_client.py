"""The reuse map as the portal reads it from the gateway."""

from collections.abc import Mapping
from typing import Any

from servicekit.outbound import Corridor
from services.portal.answers import json_of, members, number, optional_text, rows, text, words
from services.portal.domain.reuse import Pair, ReuseMap


def read_reuse(corridor: Corridor, days: int) -> ReuseMap:
    """Return who used which component in the last days."""
    answer = corridor.call(
        "GET",
        "/exchanges/reuse",
        service="gateway",
        scope="exchanges.overview",
        params={"days": str(days)},
    )
    document = members(json_of(answer))
    avoided = members(document.get("integrations"))
    components = document.get("components")
    return ReuseMap(
        days=days,
        consumers={
            text(one.get("client_id")): words(one.get("name"))
            for one in rows(document.get("consumers"))
        },
        components=tuple(
            c for c in (components if isinstance(components, list) else []) if isinstance(c, str)
        ),
        pairs=tuple(_pair(one) for one in rows(document.get("pairs"))),
        without_platform=number(avoided.get("without_platform")),
        with_platform=number(avoided.get("with_platform")),
        avoided=number(avoided.get("avoided")),
        assumption=words(avoided.get("assumption")),
    )


def _pair(one: Mapping[str, Any]) -> Pair:
    return Pair(
        consumer=text(one.get("consumer")),
        component=text(one.get("component")),
        calls=number(one.get("calls")),
        declined=number(one.get("declined")),
        refused=number(one.get("refused")),
        failed=number(one.get("failed")),
        personal=number(one.get("personal")),
        half_under_ms=_limit(one.get("half_under_ms")),
        most_under_ms=_limit(one.get("most_under_ms")),
        last=optional_text(one.get("last")) or "",
    )


def _limit(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None
