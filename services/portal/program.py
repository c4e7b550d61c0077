"""Runs a journey as what it is: an outside program with its own credentials."""

import json
import logging
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from services.portal.domain.journey import Outcome, read

LIMIT_S = 45  # a person whose one-time code was used waits for the next one
logger = logging.getLogger(__name__)


class ExampleProgram:
    """Starts one of the examples; credentials travel on standard input, never as arguments."""

    def __init__(
        self,
        file: Path,
        credentials: Mapping[str, Any],
        *,
        gateway: str,
        issuer: str,
        limit_s: float = LIMIT_S,
    ) -> None:
        self._gateway = gateway
        self._file = file
        self._input = json.dumps({"gateway": gateway, "issuer": issuer, **credentials})
        self._limit_s = limit_s

    def run(self, application: str) -> Outcome:
        """Run one application to its end; the same application never acts twice."""
        command = [sys.executable, str(self._file), "--json", f"--application={application}"]
        environment = {
            "PATH": os.environ.get("PATH", ""),
            "ATOLL_CREDENTIALS": "-",
            "ATOLL_GATEWAY_URL": self._gateway,
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        try:
            done = subprocess.run(
                command,
                input=self._input,
                capture_output=True,
                text=True,
                encoding="utf-8",
                errors="replace",
                env=environment,
                timeout=self._limit_s,
                check=False,
            )
        except subprocess.TimeoutExpired as late:
            said = late.stdout or b""
            return read(None, said.decode("utf-8", "replace") if isinstance(said, bytes) else said)
        if done.returncode:
            logger.warning("an example ended early", extra={"exit_code": done.returncode})
        return read(done.returncode, done.stdout)
