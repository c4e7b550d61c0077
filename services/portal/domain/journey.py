"""The journeys, and what a program that runs one said: its JSON lines and how it ended."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Journey:
    """One run that is shown: the example's file, whose credentials it gets, its steps in words."""

    file: str
    program: str
    steps: tuple[str, ...]


JOURNEYS: Mapping[str, Journey] = {
    "licence": Journey(
        "vessel_licence.py",
        "fisheries",
        ("step_token", "step_island", "step_owner", "step_entry", "step_tell"),
    ),
    "birth": Journey(
        "birth_registration.py",
        "island-council",
        (
            "birth_step_sign_in",
            "birth_step_contact",
            "birth_step_entry",
            "birth_step_agencies",
            "birth_step_letter",
        ),
    ),
    "ferry": Journey(
        "ferry_booking.py",
        "ferry-operator",
        ("ferry_step_sign_in", "ferry_step_islands", "ferry_step_text", "ferry_step_refused"),
    ),
}
DONE, STOPPED_AT_THE_DOOR = 0, 3  # exit codes of the program
_TRACE = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True)
class Outcome:
    """How a run ended: done, stopped (the door refused) or failed; with what it said, in order.

    trace: the trace that its calls belong to; None when it made none.
    """

    state: str
    says: tuple[str, ...]
    trace: str | None


def read(exit_code: int | None, output: str) -> Outcome:
    """Read the program's standard output; a line that is not such JSON is left out.

    exit_code: None when the program was ended because it took too long.
    """
    says: list[str] = []
    trace = None
    for line in output.splitlines():
        try:
            step = json.loads(line)
        except ValueError:
            continue
        if isinstance(step, dict) and isinstance(step.get("says"), str):
            says.append(step["says"])
            if _TRACE.fullmatch(str(step.get("trace"))):
                trace = str(step["trace"])
    state = {DONE: "done", STOPPED_AT_THE_DOOR: "stopped"}.get(
        -1 if exit_code is None else exit_code
    )
    return Outcome(state or "failed", tuple(says), trace)
