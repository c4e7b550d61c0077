"""An email's text as HTML: headings, lists, paragraphs and links; everything else escaped."""

import re
from html import escape

_URL = re.compile(r"https?://[^\s<>\"']+[^\s<>\"'.,;:!?)]")
_ESCAPED = re.compile(r"\\([`*_(){}\[\]<>#+.!|\\-])")  # what sanitising puts before formatting
KINDS = {"h2": "heading", "h3": "subheading", "p": "lines", "ul": "bullets", "ol": "numbers"}
_LINE = re.compile(
    r"(?P<heading>\#{1,2})\s*(?P<title>[^#\s].*)|(?P<bullet>[*•-])\s*(?P<point>[^*\s-].*)"
    r"|(?P<number>\d{1,3})\.\s+(?P<step>.+)"
)


def html(text: str) -> str:
    """Return the body of an email as HTML that runs no script and loads nothing."""
    return "\n".join(_block(kind, contents) for kind, contents in _blocks(text))


def parts(text: str) -> list[tuple[str, list[str]]]:
    """Return the body of an email as its parts, each a kind (a key of ``KINDS``) and its lines."""
    return [(kind, [plain(line) for line in contents]) for kind, contents in _blocks(text)]


def plain(text: str) -> str:
    """Return the body of an email as a person reads it without HTML."""
    return _ESCAPED.sub(r"\1", text)


def _blocks(text: str) -> list[tuple[str, list[str]]]:
    return [block for lines in paragraphs(text) for block in _paragraph(lines)]


def paragraphs(text: str) -> list[list[str]]:
    """Return the lines of each paragraph of a text."""
    split = re.split(r"\n\s*\n", text.replace("\r\n", "\n").strip())
    return [paragraph.split("\n") for paragraph in split]


def _paragraph(lines: list[str]) -> list[tuple[str, list[str]]]:
    blocks: list[tuple[str, list[str]]] = []
    for line in lines:
        kind, content = _kind(line.strip())
        if blocks and blocks[-1][0] == kind and not kind.startswith("h"):
            blocks[-1][1].append(content)
        else:
            blocks.append((kind, [content]))
    return blocks


def _kind(line: str) -> tuple[str, str]:
    match = _LINE.fullmatch(line)
    if match is None:
        return "p", line
    if match["heading"]:
        return f"h{len(match['heading']) + 1}", match["title"]
    return ("ul", match["point"]) if match["bullet"] else ("ol", match["step"])


def _block(kind: str, contents: list[str]) -> str:
    if kind in ("ul", "ol"):
        items = "".join(f'<li dir="auto">{_inline(content)}</li>' for content in contents)
        return f"<{kind}>{items}</{kind}>"
    return f'<{kind} dir="auto">{"<br>".join(map(_inline, contents))}</{kind}>'


def _inline(text: str) -> str:
    parts: list[str] = []
    end = 0
    for match in _URL.finditer(text):
        address = escape(match[0])
        parts += [escape(plain(text[end : match.start()])), f'<a href="{address}">{address}</a>']
        end = match.end()
    return "".join([*parts, escape(plain(text[end:]))])
