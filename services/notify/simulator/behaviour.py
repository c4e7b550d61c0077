"""What a simulated provider does with texts, and what it can be told to do instead."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from services.notify.domain import simulator
from services.notify.simulator.store import Receipt, Store

MODES = {
    "ok": "takes texts and reports each one once",
    "fail": "answers 500",
    "busy": "answers 429",
    "reject": "refuses every number",
    "twice": "reports each text twice",
    "silent": "takes texts and reports none",
}
MAX_DELAY_MS = 60_000


@dataclass
class SimulatedProvider:
    """One company. A reference that it has is not taken again."""

    name: str
    store: Store
    mode: str = "ok"
    delay_ms: int = 0
    taken: int = 0
    repeated: int = 0
    refused: int = 0

    def told(self) -> dict[str, Any]:
        """Return how it behaves and what it has done."""
        return {
            "mode": self.mode,
            "delay_ms": self.delay_ms,
            "taken": self.taken,
            "repeated": self.repeated,
            "refused": self.refused,
        }

    def take(self, messages: Sequence[dict[str, Any]]) -> tuple[int, dict[str, Any]]:
        """Take some texts; return status and answer."""
        if self.mode in ("fail", "busy"):
            self.refused += len(messages)
            return (500 if self.mode == "fail" else 429), {}
        references = [str(message.get("reference")) for message in messages]
        if self.mode == "reject":
            self.refused += len(messages)
            rejected = {"state": "rejected", "code": "unknown-number"}
            return 200, {"results": [{"reference": each} | rejected for each in references]}
        times = {"silent": 0, "twice": 2}.get(self.mode, 1)
        texts = [
            (reference, [_receipt(reference, str(message.get("to")))] * times)
            for reference, message in zip(references, messages, strict=True)
        ]
        new = self.store.take(self.name, texts)
        self.taken += new
        self.repeated += len(texts) - new
        accepted = {"state": "accepted", "code": "queued"}
        return 200, {"results": [{"reference": each} | accepted for each in references]}


def _receipt(reference: str, to: str) -> Receipt:
    status = simulator.outcome(to)
    codes = {"delivered": "delivered", "permanent-failure": "unknown-number"}
    return {"reference": reference, "status": status, "code": codes.get(status, "phone-off")}
