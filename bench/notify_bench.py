"""What notify does in a second: accepts, hands over, renders; a long queue costs no memory."""

import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from bench import notify_site
from bench.measure import Figure, Options, can_measure_memory, show
from services.notify.domain import template
from services.notify.rendering import email, letter
from tests.support import postgres

REFERENCES = (
    "360 requests/s, published for the national service's peak planning",
    "200 messages/s a worker, published for a sibling with a queue in PostgreSQL",
)
BODY = (
    "# Your licence\n\nDear ((name)),\n\n"
    + "The Fisheries Department has granted licence ((licence)) for your vessel. " * 6
    + "\n\n## What happens now\n\n* The vessel is in the public register\n* Your name is not\n"
    "* Anyone can check: https://registers.example/vessel\n\n1. Keep this email\n2. Go fishing\n\n"
    + "ތިޔަ ބޭފުޅާގެ މަސްދޯނި އަށް ލައިސަންސް ((licence)) ދޫކޮށްފި.\n\n^ This is made up.\n"
)


def measure(options: Options) -> list[Figure]:
    """Measure and show each figure."""
    size = 300 if options.quick else 2000

    def filled(number: int) -> str:
        values = {"name": f"Aishath {number}", "licence": f"DEMO-{number}"}
        return template.fill(BODY, values, template.bullets)

    def as_email(number: int) -> None:
        text = filled(number)
        email.document(text, "Your licence", "Fisheries")
        email.plain(text)

    def as_letter(number: int) -> None:
        lines = ("Aishath Demo", "Finivaage", "K. Thulusdhoo")
        written_at = datetime(2026, 1, 1, tzinfo=UTC)
        letter.plain(letter.Sheet(lines, "Licence", filled(number), None, "Fisheries", written_at))

    figures = [
        show(Figure("render a one-page email, HTML and plain text", _ms(as_email, size), "ms", 1)),
        show(Figure("render a letter of a page as PDF", _ms(as_letter, size // 10), "ms")),
    ]
    engines = [e for e in notify_site.ENGINES if e == "sqlite" or postgres.programs()]
    for engine in engines:
        with notify_site.site(engine) as site:
            figures += _on(engine, site, options)
    for line in REFERENCES:
        print(f"  for comparison: {line}")
    return figures


def _on(engine: str, site: notify_site.Site, options: Options) -> list[Figure]:
    """Measure accepting and delivering on one engine."""
    accepts, queued = (150, 1500) if options.quick else (1500, 10_000)
    found = []
    for channel in ("sms", "email"):
        rate, of_a_core = site.accept(channel, accepts)
        what = f"accept {channel} on {engine} (POST to 201, durable)"
        found.append(show(Figure(f"{what}, a core", of_a_core, "/s", 400, at_least=True)))
        found.append(show(Figure(f"{what}, one process", rate, "/s")))
    with notify_site.mail_sink() as settings:
        site.drain(settings)  # what accepting left
        site.fill("email", queued)
        rate, _, _ = site.drain(settings)
    what = f"hand emails to an SMTP sink on {engine}, two workers"
    found.append(show(Figure(what, rate, "/s", 1000, at_least=True)))
    with notify_site.text_simulator(site.url) as settings:
        site.fill("sms", queued)
        rate, _, _ = site.drain(settings)
        what = f"hand texts to the simulator on {engine}, two workers"
        found.append(show(Figure(what, rate, "/s", 1000, at_least=True)))
        found += _long_queue(engine, site, settings, options)
    lost = site.failures()
    found.append(show(Figure(f"messages lost or tried twice on {engine}", lost, "", 1)))
    return found


def _long_queue(
    engine: str, site: notify_site.Site, settings: Mapping[str, str], options: Options
) -> list[Figure]:
    """Drain a long queue; a worker at its end must not have grown."""
    count = 100_000 if options.big else 3000 if options.quick else 20_000
    site.fill("sms", count)
    rate, half, end = site.drain(settings)
    what = f"drain {count:,} queued texts on {engine}, two workers"
    figures = [show(Figure(what, rate, "/s"))]
    if can_measure_memory() and half:
        what = f"growth of a worker from the middle to the end of it ({end:.0f} MB)"
        figures.append(show(Figure(what, end - half, "MB", 5)))
    return figures


def _ms(action: Callable[[int], None], size: int) -> float:
    action(0)
    began = time.thread_time()  # of the processor: others on the machine do not count
    for number in range(1, size + 1):
        action(number)
    return (time.thread_time() - began) / size * 1e3
