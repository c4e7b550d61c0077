"""A letter as pages of paper: an accessible PDF with address block, contact block and QR codes."""

# mypy: disable-error-code="import-untyped"

import io
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from xml.sax.saxutils import escape

import segno
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.pdfbase.pdfmetrics import stringWidth
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import (
    Flowable,
    Frame,
    ListFlowable,
    ListItem,
    PageBreak,
    PageTemplate,
    Paragraph,
    Spacer,
)
from reportlab.platypus.doctemplate import BaseDocTemplate, NextPageTemplate

from services.notify.domain import language, qr
from services.notify.rendering import email, fonts, tagged

_MARGIN, _WIDTH = 15 * mm, A4[0] - 30 * mm
_SIZE, _LEADING = 10.5, 15
_BODY = ParagraphStyle("body", fontName=fonts.LATIN, fontSize=_SIZE, leading=_LEADING, spaceAfter=9)
_HEADING = ParagraphStyle("heading", parent=_BODY, fontName=fonts.BOLD, fontSize=13, leading=18)
_SUBHEADING = ParagraphStyle("subheading", parent=_BODY, fontName=fonts.BOLD)
_TITLE = ParagraphStyle("title", parent=_HEADING, fontSize=15, leading=21, spaceAfter=12)
_STYLES = {"heading": _HEADING, "subheading": _SUBHEADING}


@dataclass(frozen=True)
class Sheet:
    """What is printed. lines: the address in the window. contact: who writes, at the top right."""

    lines: Sequence[str]
    subject: str | None
    body: str
    contact: str | None
    sender: str
    written_at: datetime

    @property
    def language(self) -> str:
        """Return the language of most of the letter."""
        return language.of(f"{self.subject or ''}\n{self.body}")


def unprintable(text: str) -> list[str]:
    """Return the characters that no font here has, each once."""
    if tagged.is_there():
        return []  # it looks through all fonts of the machine
    there = fonts.install()
    return sorted({c for c in text if ord(c) not in there and not c.isspace()})


def make(sheet: Sheet) -> bytes:
    """Return the letter as a PDF: with the optional renderer a tagged one (PDF/UA)."""
    return tagged.make(sheet) if tagged.is_there() else plain(sheet)


def plain(sheet: Sheet) -> bytes:
    """Return the letter as a PDF with title and language, drawn by ReportLab."""
    fonts.install()
    output = io.BytesIO()
    document = BaseDocTemplate(
        output,
        pagesize=A4,
        title=sheet.subject or "Letter",
        author=sheet.sender,
        lang=sheet.language,
        invariant=1,
    )
    height = A4[1]
    first = Frame(_MARGIN, 20 * mm, _WIDTH, height - 110 * mm, 0, 0, 0, 0)
    later = Frame(_MARGIN, 20 * mm, _WIDTH, height - 40 * mm, 0, 0, 0, 0)

    def first_page(canvas: Canvas, _: Any) -> None:
        canvas.setViewerPreference("DisplayDocTitle", "true")
        _draw_lines(canvas, sheet.lines, 24.6 * mm, height - 45 * mm)
        if sheet.contact:
            _draw_lines(canvas, sheet.contact.splitlines(), 125 * mm, height - 25 * mm)
        day = f"{sheet.written_at.day} {sheet.written_at:%B %Y}"
        _draw_lines(canvas, [day], 125 * mm, height - 80 * mm)

    document.addPageTemplates(
        [PageTemplate("first", [first], onPage=first_page), PageTemplate("later", [later])]
    )
    document.build([NextPageTemplate("later"), *_flow(sheet)])
    return output.getvalue()


def _draw_lines(canvas: Canvas, lines: Iterable[str], x: float, y: float) -> None:
    for line in lines:
        at = x
        for text, font in _runs(_page_order(line)):
            canvas.setFont(font, _SIZE)
            canvas.drawString(at, y, text)
            at += stringWidth(text, font, _SIZE)
        y -= _LEADING - 1


def _flow(sheet: Sheet) -> Iterator[Flowable]:
    if sheet.subject:
        yield from _written(sheet.subject, _TITLE)
    position = 0
    for match in qr.LINE.finditer(sheet.body):
        yield from _blocks(sheet.body[position : match.start()])
        yield QrCode(match[1].strip())
        yield from _written(match[1].strip(), _BODY)
        position = match.end()
    yield from _blocks(sheet.body[position:])


def _blocks(text: str) -> Iterator[Flowable]:
    for kind, lines in email.parts(text, keep_rules=True):
        if kind == email.RULE:
            yield PageBreak()
        elif kind in ("bullets", "numbers"):
            yield ListFlowable(
                [ListItem([*_written(line, _BODY)], spaceAfter=2) for line in lines],
                bulletType="1" if kind == "numbers" else "bullet",
                bulletFontName=fonts.LATIN,
                bulletFontSize=_SIZE,
                start=None if kind == "numbers" else "•",
            )
            yield Spacer(0, 6)
        else:
            style = _STYLES.get(kind, _BODY)
            for number, line in enumerate(lines, 1):
                last = number == len(lines)
                yield from _written(line, style, space_after=style.spaceAfter if last else 0)


def _written(text: str, style: ParagraphStyle, space_after: float | None = None) -> list[Flowable]:
    after = style.spaceAfter if space_after is None else space_after
    if language.of(text) != "dv":
        return [Paragraph(_markup(text), ParagraphStyle("", parent=style, spaceAfter=after))]
    aligned = ParagraphStyle("", parent=style, alignment=2, spaceAfter=0)
    lines: list[Flowable] = [
        Paragraph(_markup(fonts.in_order(line)), aligned) for line in _broken(text, style)
    ]
    return [*lines, Spacer(0, after)]


def _markup(text: str) -> str:
    return "<br/>".join(
        "".join(
            f'<font face="{font}">{escape(run)}</font>' if font == fonts.THAANA else escape(run)
            for run, font in _runs(line)
        )
        for line in text.split("\n")
    )


def _broken(text: str, style: ParagraphStyle) -> Iterator[str]:
    """Break right-to-left text into lines before its words are put in the order of the page."""
    for paragraph in text.split("\n"):
        line = ""
        for word in paragraph.split():
            longer = f"{line} {word}".strip()
            width = sum(stringWidth(run, font, style.fontSize) for run, font in _runs(longer))
            if line and width > _WIDTH:
                yield line
                line = word
            else:
                line = longer
        yield line


def _page_order(text: str) -> str:
    return fonts.in_order(text) if language.of(text) == "dv" else text


def _runs(text: str) -> Iterator[tuple[str, str]]:
    """Yield the pieces of a text with the font that has them."""
    for run in re.findall(r"[\u0780-\u07bf]+|[^\u0780-\u07bf]+", text):
        yield run, fonts.THAANA if fonts.is_thaana(run[0]) else fonts.LATIN


class QrCode(Flowable):  # type: ignore[misc]
    """A QR code drawn as squares, four centimetres wide."""

    def __init__(self, link: str) -> None:
        super().__init__()
        self._modules = [list(row) for row in segno.make_qr(link, error="m").matrix]
        self.width = self.height = 40 * mm
        self.spaceAfter = 4

    def draw(self) -> None:
        """Draw its dark modules."""
        side = self.width / len(self._modules)
        for number, row in enumerate(self._modules):
            for column, dark in enumerate(row):
                if dark:
                    at = (column * side, self.height - (number + 1) * side)
                    self.canv.rect(*at, side, side, stroke=0, fill=1)
