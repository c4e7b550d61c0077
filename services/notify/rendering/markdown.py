"""The markdown dialect of emails and letters: headings, lists, inset text, rules and links.

Mistune parses it with most of its rules taken away. No bold, code, tables, images or HTML.
"""

import re
from collections.abc import Iterable
from typing import Any

from mistune import BlockParser, BlockState, InlineParser, Markdown
from mistune.plugins.url import url as bare_links

Token = dict[str, Any]

LINE = re.compile(r"^(?P<indent> {0,3})(?P<mark>#{1,6}|[*•-]|\d{1,9}\.)(?P<rest>.*)$", re.MULTILINE)
# what CommonMark would take for a list and the dialect does not
OTHER_LISTS = re.compile(r"^( {0,3}\d{0,9})(?=[+)][ \t\n])", re.MULTILINE)
# an inset begins a block of its own, also right under a list
INSET_LINE = re.compile(r"(?<=[^\n])\n(?= {0,3}\^)")
INSET = r"^ {0,3}\^[^\S\n]*(?P<inset_text>[^\n]*(?:\n(?![^\S\n]*\n| {0,3}[\^#*-])[^\n]+)*)"
_RULES = ["fenced_code", "atx_heading", "thematic_break", "inset", "list", "blank_line"]
_ESCAPE = re.compile(r"\\([!-/:-@\[-`{-~])")


def parse(text: str) -> list[Token]:
    """Return the blocks of a text as mistune's tokens, their inline parts as ``children``."""
    plain = text.replace("\r\n", "\n").replace("\r", "\n").replace("\x00", "")
    plain = OTHER_LISTS.sub(r"\1\\", LINE.sub(_spaced, plain))
    if "^" in plain:
        plain = INSET_LINE.sub("\n\n", plain)
    tokens, _ = _MARKDOWN.parse(plain)
    return [] if isinstance(tokens, str) else tokens  # tokens, because there is no renderer


def unescaped(text: str) -> str:
    """Return a text without the backslashes that sanitising put before formatting."""
    return _ESCAPE.sub(r"\1", text)


def items(token: Token) -> Iterable[list[Token]]:
    """Yield the blocks of each item of a list."""
    for item in token["children"]:
        yield item["children"]


def _spaced(match: re.Match[str]) -> str:
    """Put the space after ``#``, a bullet or a number that CommonMark wants and the dialect not."""
    indent, mark, rest = match["indent"], match["mark"], match["rest"]
    if mark == "•":
        mark = "*"
    is_number = mark.endswith(".")
    # --- and *** are rules, 1.5 is an amount
    if rest[:1] in ("", " ", "\t", mark[-1]) or (is_number and rest[0].isdigit()):
        return f"{indent}{mark}{rest}"
    return f"{indent}{mark} {rest}"


def _parse_inset(block: BlockParser, match: re.Match[str], state: BlockState) -> int:
    state.append_token({"type": "inset", "text": match["inset_text"].strip()})
    return match.end() + 1


def _make() -> Markdown:
    block = BlockParser(list_rules=["list", "blank_line"], max_nested_level=3)
    block.register("inset", INSET, _parse_inset, before="list")
    block.rules = _RULES
    inline = InlineParser()
    inline.rules = ["escape", "link", "link_close", "softbreak", "linebreak"]
    markdown = Markdown(renderer=None, block=block, inline=inline)
    bare_links(markdown)
    return markdown


_MARKDOWN = _make()
