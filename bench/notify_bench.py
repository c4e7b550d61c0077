"""What notify's rendering costs: an email as HTML and plain text, a letter as pages."""

import time
from collections.abc import Callable
from datetime import UTC, datetime

from bench.measure import Figure, Options, show
from services.notify.domain import template
from services.notify.rendering import email, letter

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

    return [
        show(Figure("render a one-page email, HTML and plain text", _ms(as_email, size), "ms", 1)),
        show(Figure("render a letter of a page as PDF", _ms(as_letter, size // 10), "ms")),
    ]


def _ms(action: Callable[[int], None], size: int) -> float:
    action(0)
    began = time.thread_time()  # of the processor: others on the machine do not count
    for number in range(1, size + 1):
        action(number)
    return (time.thread_time() - began) / size * 1e3
