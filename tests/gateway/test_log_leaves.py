"""The canonical text of an entry: the quick encoder and the plain one write the same."""

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from gateway.storage import canonical
from gateway.storage.leaves import FIELDS, HIDDEN

values = st.none() | st.text() | st.integers(-(2**63), 2**63 - 1)
nested = values | st.lists(st.text(), max_size=3) | st.dictionaries(st.text(), st.text())


@given(st.fixed_dictionaries(dict.fromkeys(FIELDS, nested)), st.binary(max_size=4))
def test_an_entry_has_one_text_whatever_stands_in_it(row: dict[str, Any], hidden: bytes) -> None:
    row |= dict.fromkeys(HIDDEN, hidden)
    expected = {field: row[field] for field in FIELDS}
    expected |= dict.fromkeys(HIDDEN, hidden.hex() or None)
    plain = json.dumps(expected, ensure_ascii=True, separators=(",", ":"), sort_keys=True)
    assert canonical(row) == plain
