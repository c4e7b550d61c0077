"""Times for people: Maldives time, and how long ago."""

from datetime import UTC, datetime, timedelta, timezone

MALDIVES = timezone(timedelta(hours=5))  # no summer time, so an offset is the whole rule
MONTHS = {
    "en": "January February March April May June July August September October November December",
    "dv": "ޖަނަވަރީ ފެބްރުއަރީ މާރިޗު އެޕްރީލް މެއި ޖޫން ޖުލައި އޯގަސްޓު ސެޕްޓެމްބަރު އޮކްޓޫބަރު ނޮވެމްބަރު ޑިސެމްބަރު",
}
_AGO = {
    "en": ("just now", "{} minutes ago", "{} hours ago", "{} days ago"),
    "dv": ("މިހާރު", "{} މިނެޓު ކުރިން", "{} ގަޑިއިރު ކުރިން", "{} ދުވަސް ކުރިން"),
}
_ONE = {"minutes": "minute", "hours": "hour", "days": "day"}


def parse(text: str) -> datetime | None:
    """Read an RFC 3339 time; None for anything else, a time without an offset included."""
    try:
        moment = datetime.fromisoformat(text)
    except (ValueError, TypeError):
        return None
    return moment if moment.tzinfo else None


def from_unix(seconds: int) -> datetime:
    """Return the moment that a database holds as seconds since 1970."""
    return datetime.fromtimestamp(seconds, UTC)


def machine(moment: datetime) -> str:
    """Write the UTC time for ``<time datetime>``."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def day_and_time(moment: datetime, language: str) -> str:
    """Write ``3 March 2026, 10:15`` in Maldives time."""
    there = moment.astimezone(MALDIVES)
    month = MONTHS[language].split()[there.month - 1]
    comma = "،" if language == "dv" else ","
    return f"{there.day} {month} {there.year}{comma} {there:%H:%M}"


def clock_time(moment: datetime) -> str:
    """Write ``10:15:04`` in Maldives time."""
    return moment.astimezone(MALDIVES).strftime("%H:%M:%S")


def ago(moment: datetime, now: datetime, language: str) -> str:
    """Write how long ago a moment was, in the largest whole unit."""
    minutes = int((now - moment).total_seconds() // 60)
    now_words, *units = _AGO[language]
    for pattern, size in zip(reversed(units), (1440, 60, 1), strict=True):
        if minutes >= size:
            text = pattern.format(minutes // size)
            if minutes // size == 1:
                for many, one in _ONE.items():
                    text = text.replace(many, one)
            return text
    return now_words
