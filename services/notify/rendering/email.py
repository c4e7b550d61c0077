"""An email as its reader gets it: HTML that runs no script and loads nothing, and plain text."""

import re
from collections.abc import Sequence
from functools import lru_cache
from html import escape

from services.notify.domain import language
from services.notify.rendering import markdown
from services.notify.rendering.markdown import Token
from services.notify.rendering.typography import nice

RULE_WIDTH = 65
RULE = "rule"
# what the portal and other pages show a part as
HEADINGS = {1: "heading", 2: "subheading"}
_SAFE_LINK = re.compile(r"(https?://|mailto:|tel:)[^\s]", re.IGNORECASE)
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*:(?!\d)", re.IGNORECASE)
_STYLE = (
    "body{margin:0;padding:24px;font:19px/1.4 Arial,sans-serif;color:#0b0c0c}"
    "main{max-width:580px;margin:0 auto}h2{font-size:27px}h3{font-size:19px}"
    "blockquote{margin:0 0 20px;padding:12px;border-inline-start:10px solid #b1b4b6}"
    "footer{margin-top:32px;font-size:14px;color:#505a5f}"
)


def html(text: str) -> str:
    """Return the body of an email as HTML, without the document around it."""
    return "\n".join(filter(None, map(_html_block, _parsed(text))))


def document(text: str, subject: str | None, sender: str | None = None) -> str:
    """Return an email's HTML document, written from right to left when its text is."""
    spoken = language.of(text)
    return (
        f'<!DOCTYPE html>\n<html lang="{spoken}" dir="{language.direction(spoken)}">\n<head>\n'
        '<meta charset="utf-8">\n<meta name="viewport" content="width=device-width">\n'
        f"<title>{escape(subject or '', quote=False)}</title>\n<style>{_STYLE}</style>\n</head>\n"
        f"<body>\n<main>\n{html(text)}\n</main>\n"
        + (f'<footer dir="auto">{escape(sender, quote=False)}</footer>\n' if sender else "")
        + "</body>\n</html>\n"
    )


def plain(text: str) -> str:
    """Return the body of an email as plain text: headings underlined, links written out."""
    return "\n\n".join(filter(None, map(_plain_block, _parsed(text)))) + "\n"


def parts(text: str, *, keep_rules: bool = False) -> list[tuple[str, list[str]]]:
    """Return the body as parts for pages: heading, subheading, lines, bullets or numbers.

    keep_rules: also return each ``---``, as a part of the kind RULE.
    """
    found = [part for token in _parsed(text) for part in _parts(token)]
    return found if keep_rules else [part for part in found if part[0] != RULE]


@lru_cache(maxsize=4)  # HTML and plain text are written one after the other
def _parsed(text: str) -> Sequence[Token]:
    return tuple(markdown.parse(text))


def _html_block(token: Token) -> str:
    match token["type"]:
        case "heading":
            level = token["attrs"]["level"]
            return _element("p" if level > 2 else f"h{level + 1}", _html_inline(token["children"]))
        case "paragraph":
            return _element("p", _html_inline(token["children"]))
        case "block_text":
            return _html_inline(token["children"])
        case "list":
            kind = "ol" if token["attrs"]["ordered"] else "ul"
            inside = "".join(
                _element("li", "".join(_html_in_item(block) for block in item))
                for item in markdown.items(token)
            )
            start = token["attrs"].get("start", 1)
            counted = f' start="{start}"' if kind == "ol" and start != 1 else ""
            return f"<{kind}{counted}>{inside}</{kind}>"
        case "inset":
            return f"<blockquote>{_element('p', _html_inline(token['children']))}</blockquote>"
        case "thematic_break":
            return "<hr>"
        case "block_code":
            return _element("p", _html_lines(token["raw"].strip("\n")))
        case _:
            return ""


def _html_in_item(block: Token) -> str:
    return _html_inline(block["children"]) if block["type"] == "paragraph" else _html_block(block)


def _element(name: str, inside: str) -> str:
    return f'<{name} dir="auto">{inside}</{name}>'


def _html_lines(text: str) -> str:
    return "<br>".join(escape(nice(line), quote=False) for line in text.split("\n"))


def _html_inline(tokens: Sequence[Token]) -> str:
    written = []
    for token in _joined(tokens):
        match token["type"]:
            case "text":
                written.append(escape(token["raw"], quote=False))
            case "softbreak" | "linebreak":
                written.append("<br>")
            case "link":
                written.append(_html_link(token))
            case _:
                written.append(_html_inline(token.get("children", ())))
    return "".join(written)


def _html_link(token: Token) -> str:
    address, bare = _address(token), _bare(token)
    label = escape(bare, quote=False) if bare else _html_inline(token["children"])
    if address is None:
        return f"{label}: {escape(token['attrs']['url'], quote=False)}"
    title = token["attrs"].get("title")
    titled = f' title="{escape(title)}"' if title else ""
    return f'<a href="{escape(address)}"{titled}>{label}</a>'


def _bare(token: Token) -> str | None:
    """Return what is written where a link is nothing but its address."""
    children = token["children"]
    is_text = len(children) == 1 and children[0]["type"] == "text"
    raw = str(children[0]["raw"]) if is_text else ""
    return raw if raw.startswith(("http://", "https://")) else None


def _address(token: Token) -> str | None:
    """Return where a link leads, or None for what no email should lead to (``javascript:``)."""
    url = str(token["attrs"]["url"])
    if _SAFE_LINK.match(url):
        return url
    return None if _SCHEME.match(url) or not url else f"http://{url}"


def _joined(tokens: Sequence[Token]) -> list[Token]:
    """Put neighbouring texts together, so that typography sees a whole line."""
    result: list[Token] = []
    for token in tokens:
        if token["type"] == "text" and result and result[-1]["type"] == "text":
            result[-1] = {"type": "text", "raw": result[-1]["raw"] + token["raw"]}
        else:
            result.append(token)
    return [
        {"type": "text", "raw": nice(token["raw"])} if token["type"] == "text" else token
        for token in result
    ]


def _plain_inline(tokens: Sequence[Token]) -> str:
    written = []
    for token in _joined(tokens):
        match token["type"]:
            case "text":
                written.append(token["raw"])
            case "softbreak" | "linebreak":
                written.append("\n")
            case "link":
                label, url = _plain_inline(token["children"]), token["attrs"]["url"]
                written.append(_bare(token) or f"{label}: {url}")
            case _:
                written.append(_plain_inline(token.get("children", ())))
    return "".join(written)


def _plain_block(token: Token) -> str:
    match token["type"]:
        case "heading":
            title, level = _plain_inline(token["children"]), token["attrs"]["level"]
            if level > 2:
                return title
            return f"{title}\n{('=' if level == 1 else '-') * RULE_WIDTH}"
        case "paragraph" | "block_text" | "inset":
            return _plain_inline(token["children"])
        case "list":
            return "\n".join(_plain_items(token))
        case "thematic_break":
            return "=" * RULE_WIDTH
        case "block_code":
            return str(token["raw"]).strip("\n")
        case _:
            return ""


def _plain_items(token: Token) -> list[str]:
    start = token["attrs"].get("start", 1)
    return [
        f"{f'{number}.' if token['attrs']['ordered'] else '•'} "
        + "\n".join(_plain_block(block) for block in item if block["type"] != "blank_line")
        for number, item in enumerate(markdown.items(token), start)
    ]


def _parts(token: Token) -> list[tuple[str, list[str]]]:
    match token["type"]:
        case "heading":
            kind = HEADINGS.get(token["attrs"]["level"], "lines")
            return [(kind, [_plain_inline(token["children"])])]
        case "list":
            kind = "numbers" if token["attrs"]["ordered"] else "bullets"
            return [(kind, [line.partition(" ")[2] for line in _plain_items(token)])]
        case "blank_line":
            return []
        case "thematic_break":
            return [(RULE, [])]
        case _:
            return [("lines", _plain_block(token).split("\n"))]
