"""Letters as tagged PDF (PDF/UA-1) by WeasyPrint, where somebody has installed it."""

import html
import importlib
import importlib.util
import re
from functools import cache
from typing import TYPE_CHECKING, Any

import segno

from services.notify.domain import language, qr
from services.notify.rendering import email

if TYPE_CHECKING:
    from services.notify.rendering.letter import Sheet

_BLOCK = re.compile(r'<(p|li|h2|h3) dir="auto">(.*?)</\1>', re.DOTALL)
_TAG = re.compile(r"<[^>]*>")
_STYLE = """
@page { size: A4; margin: 20mm 15mm }
body { font: 10.5pt/1.4 Arial, "Noto Sans Thaana", sans-serif; margin: 0 }
.window { position: absolute; top: 19mm; left: 10mm; right: auto }
.contact { position: absolute; top: 0; left: 110mm }
.day { position: absolute; top: 55mm; left: 110mm }
main { padding-top: 70mm }
hr { break-after: page; border: 0 }
h1 { font-size: 15pt } h2 { font-size: 13pt } h3 { font-size: 10.5pt }
"""


@cache
def is_there() -> bool:
    """Whether the optional renderer can be used on this machine."""
    if importlib.util.find_spec("weasyprint") is None:
        return False
    try:
        importlib.import_module("weasyprint")
    except (ImportError, OSError):  # installed, but not the system's Pango
        return False
    return True


def make(sheet: "Sheet") -> bytes:
    """Return the letter as a tagged PDF with title, language and structure."""
    weasyprint: Any = importlib.import_module("weasyprint")
    # our own page names nothing but data: addresses; nothing else may be loaded
    made = weasyprint.HTML(string=page(sheet), base_url="about:blank", url_fetcher=_fetcher())
    return bytes(made.write_pdf(pdf_variant="pdf/ua-1"))


def page(sheet: "Sheet") -> str:
    """Return the letter as an HTML document, the renderer's input."""
    spoken = sheet.language
    subject = html.escape(sheet.subject or "")
    day = f"{sheet.written_at.day} {sheet.written_at:%B %Y}"
    return (
        f'<!DOCTYPE html><html lang="{spoken}" dir="{language.direction(spoken)}"><head>'
        f'<meta charset="utf-8"><title>{subject or "Letter"}</title>'
        f'<meta name="author" content="{html.escape(sheet.sender)}"><style>{_STYLE}</style></head>'
        f'<body><div class="window" dir="ltr">{_lines(sheet.lines)}</div>'
        f'<div class="contact" dir="ltr">{_lines((sheet.contact or "").splitlines())}</div>'
        f'<div class="day" dir="ltr" lang="en">{day}</div>'
        f"<main><h1>{subject}</h1>{_body(sheet.body)}</main></body></html>"
    )


def _lines(lines: Any) -> str:
    return "<br>".join(html.escape(line) for line in lines)


def _body(text: str) -> str:
    written, position = [], 0
    for match in qr.LINE.finditer(text):
        written += [_directed(text[position : match.start()]), _qr(match[1].strip())]
        position = match.end()
    return "".join([*written, _directed(text[position:])])


def _directed(text: str) -> str:
    """Write out the direction and language of each block: the renderer does not guess them."""

    def direct(match: re.Match[str]) -> str:
        spoken = language.of(_TAG.sub(" ", match[2]))
        direction = language.direction(spoken)
        return f'<{match[1]} lang="{spoken}" dir="{direction}">{match[2]}</{match[1]}>'

    return _BLOCK.sub(direct, email.html(text))


def _qr(link: str) -> str:
    label = html.escape(link)
    picture = segno.make_qr(link, error="m").svg_data_uri(scale=3)
    return f'<p><img src="{picture}" alt="QR code: {label}"><br>{label}</p>'


def _fetcher() -> Any:
    urls: Any = importlib.import_module("weasyprint.urls")
    return urls.URLFetcher(allowed_protocols=["data"])
