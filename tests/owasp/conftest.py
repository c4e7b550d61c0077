"""OWASP API Security Top 10 (2023): each risk attacked through the real door, real services behind.

A test is named after its risk: `pytest tests/owasp -k api1`. What holds below the door has tests of
its own: `tests/gateway/test_smuggling.py` (raw bytes), `tests/gateway/test_reach.py` (whom the door
connects to), `tests/identity/security`, `tests/servicekit/test_guarded.py`.
"""

from collections.abc import Iterator

import pytest

from tests.support.in_process import platform
from tests.support.people import Callers


@pytest.fixture(scope="package")
def callers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callers]:
    """Everybody who may call a platform that runs in this process."""
    with platform(tmp_path_factory.mktemp("owasp")) as running:
        yield Callers(running)
