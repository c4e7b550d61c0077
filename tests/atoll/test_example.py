"""The example's own mathematics against the register's: two implementations, one standard."""

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from servicekit import merkle

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "vessel_licence.py"


def load() -> ModuleType:
    spec = importlib.util.spec_from_file_location("vessel_licence", EXAMPLE)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


example = load()


@given(st.lists(st.binary(min_size=32, max_size=32), min_size=1, max_size=40), st.data())
def test_every_proof_leads_to_the_head_and_no_changed_one_does(
    leaves: list[bytes], data: st.DataObject
) -> None:
    index = data.draw(st.integers(0, len(leaves) - 1))
    head = merkle.root(leaves)
    path = ["1220" + each.hex() for each in merkle.inclusion_proof(leaves, index)]
    assert example.climb(leaves[index], index, len(leaves), path) == head
    assert example.climb(leaves[index], index, len(leaves), [*path, "1220" + "0" * 64]) != head
    assert example.climb(b"x" * 32, index, len(leaves), path) != head
    if path:
        assert example.climb(leaves[index], index, len(leaves), path[:-1]) != head


def test_it_stays_short_and_needs_only_requests_and_pyjwt() -> None:
    text = EXAMPLE.read_text(encoding="utf-8")
    assert len(text.splitlines()) < 150
    for package in ("servicekit", "services", "gateway", "atoll"):
        assert f"import {package}" not in text
        assert f"from {package}" not in text


@pytest.mark.parametrize("name", ["client_secret", "api_keys"])
def test_no_secret_is_an_argument(name: str) -> None:
    text = EXAMPLE.read_text(encoding="utf-8")
    assert name in text
    assert "argv" not in text
