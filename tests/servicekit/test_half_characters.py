"""JSON with half a character (a lone surrogate) is refused before it can break an answer."""

import pytest

from servicekit import schema
from servicekit.problems import Malformed


@pytest.mark.parametrize("body", [b'{"name": "\\ud800"}', b'{"\\udfff": 1}', b'["\\ud83d x"]'])
def test_half_a_character_is_not_json_for_us(body: bytes) -> None:
    with pytest.raises(Malformed, match="surrogates"):
        schema.parse(body)


def test_a_whole_character_in_two_escapes_is_read() -> None:
    assert schema.parse(b'{"flag": "\\ud83c\\uddf2"}') == {"flag": "\U0001f1f2"}
