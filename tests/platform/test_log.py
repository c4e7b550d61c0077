"""The exchange log's promises on a real platform: the printed proof, and `atoll log verify`."""

import json
import re
import subprocess
import sys
from pathlib import Path

from tests.platform.layout import ROOT
from tests.support.platform import CHECKOUT, RunningPlatform

PAGE = ROOT / "docs" / "howto" / "prove-an-exchange.md"


def test_the_printed_proof_holds(running_platform: RunningPlatform) -> None:
    blocks = re.findall(r"^```sh\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.M | re.S)
    script = "set -eu\n" + "\n".join(blocks)
    script = script.replace("http://localhost:8000", running_platform.url)
    ours = {"atoll": f"{sys.executable} -m atoll", "python": sys.executable}
    script = re.sub(r"\.venv/bin/(atoll|python)", lambda found: ours[found[1]], script)
    done = subprocess.run(
        ["bash", "-c", script],
        env=running_platform.environment(),
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "entries are as they were written" in done.stdout
    assert "proved: GET /registers of registers by None" in done.stdout
    assert f"{running_platform.url.removeprefix('http://')}/exchanges" in done.stdout


def test_a_head_that_somebody_kept_convicts_another_log(
    running_platform: RunningPlatform, tmp_path: Path
) -> None:
    file = tmp_path / "head.json"
    first = running_platform.run("log", "verify", "--head", str(file))
    assert first.returncode == 0, first.stderr
    again = running_platform.run("log", "verify", "--head", str(file), "--json")
    assert again.returncode == 0
    assert json.loads(again.stdout)["sound"]
    kept = json.loads(file.read_text(encoding="utf-8"))
    broken = kept["checkpoint"].replace("\n\n", "x\n\n", 1)
    for text, says in (
        (json.dumps(kept | {"checkpoint": broken}), "holds no head"),
        ("{}", "holds no head"),
        (json.dumps(kept | {"key": "x"}), "holds no head"),
    ):
        file.write_text(text, encoding="utf-8")
        refused = running_platform.run("log", "verify", "--head", str(file))
        assert refused.returncode != 0
        assert says in refused.stderr
        assert "Traceback" not in refused.stderr
