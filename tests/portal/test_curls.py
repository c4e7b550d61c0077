"""The curl on each API's page works when it is pasted into a terminal in the checkout."""

import subprocess
from pathlib import Path

import pytest
import yaml

from tests.support.platform import RunningPlatform

ROOT = Path(__file__).parents[2]
CONTENT = ROOT / "services/portal/content"
APIS = yaml.safe_load((CONTENT / "apis.yaml").read_text(encoding="utf-8"))
CONVENTIONS = yaml.safe_load((CONTENT / "conventions.yaml").read_text(encoding="utf-8"))


@pytest.mark.process
@pytest.mark.parametrize("service", sorted(APIS))
def test_the_curl_of_an_api_works_when_pasted(
    running_platform: RunningPlatform, service: str
) -> None:
    command = APIS[service]["curl"].format(public=running_platform.url)
    done = subprocess.run(
        ["bash", "-c", command.replace("curl ", "curl --fail --silent --show-error ", 1)],
        cwd=ROOT,
        env=running_platform.environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout


@pytest.mark.process
def test_the_examples_of_the_conventions_show_what_they_say(
    running_platform: RunningPlatform,
) -> None:
    def pasted(name: str) -> str:
        command = CONVENTIONS[name]["example"].replace("{public}", running_platform.url)
        done = subprocess.run(
            ["bash", "-c", command], capture_output=True, text=True, timeout=60, check=True
        )
        return done.stdout.lower()

    assert '"ready"' in pasted("address")
    assert "token_endpoint" in pasted("tokens")
    assert "/portal/problems/not-found" in pasted("errors")
    assert 'rel="next"' in pasted("paging")
    assert "etag:" in pasted("caching")
    assert "atoll-exchange:" in pasted("trace")
    shown = {name for name, one in CONVENTIONS.items() if one["example"]}
    assert shown == {"address", "tokens", "errors", "paging", "caching", "trace"}
