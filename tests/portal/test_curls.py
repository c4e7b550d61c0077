"""The curl on each API's page works when it is pasted into a terminal in the checkout."""

import subprocess
from pathlib import Path

import pytest
import yaml

from tests.support.platform import RunningPlatform

ROOT = Path(__file__).parents[2]
APIS = yaml.safe_load((ROOT / "services/portal/content/apis.yaml").read_text(encoding="utf-8"))


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
