"""Whether references lead somewhere: many asked at once, each remembered."""

from collections.abc import Iterable

from sqlalchemy import select
from sqlalchemy.orm import Session

from services.registers.domain.quality import Reference, can_be
from services.registers.storage import rows
from services.registers.storage.tables import Head, Record, Register


class References:
    """Knows which references lead to a record that everyone sees."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._known: dict[Reference, bool] = {}
        seen = session.execute(
            select(Register.name, Register.id, Head.size)
            .join(Head, Head.register_id == Register.id)
            .where(Head.hidden.is_(False))
        )
        self._registers = {row.name: (row.id, row.size) for row in seen}

    def ask(self, targets: Iterable[Reference]) -> None:
        """Look up what is not known yet."""
        wanted: dict[str, list[str]] = {}
        for target in set(targets) - self._known.keys():
            self._known[target] = not target[1] and target[0] in self._registers
            if target[1] and target[0] in self._registers and can_be(target):
                wanted.setdefault(target[0], []).append(target[1])
        for register, keys in wanted.items():
            register_id, size = self._registers[register]
            for part in rows.chunks(keys):
                found = self._session.scalars(
                    select(Record.key).where(
                        Record.register_id == register_id,
                        Record.key.in_(part),
                        Record.first <= size,
                    )
                )
                self._known |= {(register, key): True for key in found}

    def exists(self, target: Reference) -> bool:
        """Tell whether a reference that was asked about leads somewhere."""
        return self._known.get(target, False)
