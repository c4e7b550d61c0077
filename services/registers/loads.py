"""Loading files into registers: what an RSF or CSV file is for, who may load it, and the load.

An RSF file that declares a register which is not there yet creates it.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, BinaryIO

from sqlalchemy import RowMapping
from sqlalchemy.orm import Session

from servicekit.database import Database
from servicekit.problems import NotFound
from services.registers import enlisting
from services.registers.domain import declarations, governance, keys, outline, rows, rsf
from services.registers.domain.checking import Checker
from services.registers.domain.declarations import Declared
from services.registers.domain.items import Field, Item
from services.registers.domain.outline import Outline
from services.registers.problems import FileRefused, RegisterArchived, ReviewNeeded
from services.registers.storage import appending, heads, loading, system
from services.registers.storage.loading import Loaded

Progress = Callable[[int], None]
MOST_ERRORS = 1000  # named in a refusal; a dry run names them all


@dataclass(frozen=True)
class Plan:
    """What an RSF file will do: to which register, and whether that is there already."""

    register: str
    exists: bool
    declared: Declared
    outline: Outline
    key_field: str
    fields: tuple[Field, ...]
    relaxed: bool
    relaxed_until: int


@dataclass(frozen=True)
class Result:
    """What a load did, or would have done."""

    register: str
    created: bool
    loaded: Loaded


class _NotPublished(Exception):
    """Ends a dry run where the load would be published."""


def check_open(register: RowMapping | None, *, by_operator: bool) -> None:
    """Refuse a file for a register that is archived or takes changes by proposal alone.

    The operator puts registers back from files whatever they have become.
    """
    if register is None or by_operator:
        return
    if register["state"] == governance.ARCHIVED:
        raise RegisterArchived(f"The register {register['name']} is archived. Nothing was loaded.")
    if governance.needs_review(register):
        raise ReviewNeeded(
            f"Changes of {register['name']} need a second person. Nothing was loaded. Send the "
            "rows as entries, a thousand at once: they become a proposal."
        )


def plan(
    database: Database, file: BinaryIO, asked: str | None, *, relaxed: bool | None = None
) -> Plan:
    """Find out what an RSF file is for; raises FileRefused, or rsf.Faulty where a line explains it.

    asked: the register to load into; the file says it otherwise. relaxed: None takes the log of a
    new register as it was published, up to the last root that the file asserts.
    """
    try:
        return _plan(database, file, asked, relaxed)
    except FileRefused:
        for _ in rsf.parse(rsf.lines_of(file)):
            pass  # a faulty line says more than what the file lacks because of it
        raise


def _plan(database: Database, file: BinaryIO, asked: str | None, relaxed: bool | None) -> Plan:
    look = outline.look(rsf.lines_of(file), rsf.lines_of(file))
    try:
        declared = declarations.read(look.declared)
    except declarations.Undeclared as fault:
        raise FileRefused(f"{fault} Nothing was loaded.") from None
    if governance.read(look.declared).get("classification", "open") != "open":
        raise FileRefused("The file is of a register that is not open; everyone would read it.")
    name = asked or declared.id
    if name is None:
        raise FileRefused(
            "The file does not say which register it is of: it has no system entry register:… or "
            "name. Name the register."
        )
    if not keys.is_name(name) or name in governance.RESERVED:
        raise FileRefused("This cannot be the name of a register.")
    with database.snapshot() as session:
        found = heads.find_register(session, name)
        said = system.entries(session, found["id"]) if found is not None else []
    if found is None:
        fields = declared.fields
        if not fields:
            raise FileRefused(
                f"There is no register {name}, and the file declares no fields (field:…) to "
                "create it with."
            )
    else:
        fields = _merged(found, declared)
    key_field = declared.id or name if found is None else heads.key_field(found)
    if declared.id not in (None, key_field, name):
        raise FileRefused(f"The file is of the register {declared.id}, not of {name}.")
    if key_field not in {field.id for field in fields}:
        raise FileRefused(f"The register has no field {key_field}, which would hold the key.")
    until = look.proved_until if found is None and relaxed is None else 0
    if found is not None:
        entries = [(row.key, _item_of(row.content)) for row in said]
        declared = declarations.read([*entries, *look.declared])
    return Plan(name, found is not None, declared, look, key_field, fields, bool(relaxed), until)


def load_rsf(
    database: Database,
    file: BinaryIO,
    what: Plan,
    *,
    now: int,
    dry_run: bool = False,
    progress: Progress = lambda entries: None,
) -> Result:
    """Load an RSF file as planned, all of it or nothing; raises rsf.Faulty or a Problem."""
    done: list[Loaded] = []

    def also(session: Session) -> None:
        if dry_run:
            raise _NotPublished
        if what.outline.declared:
            _describe(session, what, now)

    options: dict[str, Any] = {
        "checker": Checker(what.key_field, what.fields),
        "relaxed": what.relaxed,
        "relaxed_until": what.relaxed_until,
        "progress": progress,
        "also": also,
        "now": now,
    }
    commands = rsf.parse(rsf.lines_of(file))
    counted = _Counted(commands)
    try:
        if what.exists:
            done.append(loading.load(database, what.register, counted, **options))
        else:
            columns = _columns(what, now)
            done.append(loading.create_and_load(database, columns, counted, **options))
    except _NotPublished:
        done.append(Loaded(0, counted.user, counted.items, counted.system, b"", b""))
    return Result(what.register, not what.exists and not dry_run, done[0])


def check_csv(
    database: Database, file: BinaryIO, register: str, mapped: Mapping[str, str]
) -> Iterator[dict[str, object]]:
    """Check every row of a CSV file and yield each fault: line, field, detail.

    The last thing yielded holds the number of rows and of faulty ones. Raises NotFound or
    FileRefused.
    """
    with database.snapshot() as session:
        found = heads.find_register(session, register)
        if found is None:
            raise NotFound("There is no register of this name.")
        count = faulty = 0
        own, later = set[str](), list[tuple[int, tuple[str, str, str]]]()
        known: set[tuple[str, str]] = set()
        for row in _rows(file, found, mapped):
            count += 1
            faults = [
                {"line": row.line, "field": name, "detail": text} for name, text in row.faults
            ]
            if row.item is not None:
                own.add(row.item.key)
                new = [each for each in row.item.references if each[1:] not in known]
                inside = [each for each in new if each[1] == register]
                later += [(row.line, each) for each in inside]
                outside = replace(row.item, references=tuple(x for x in new if x not in inside))
                missing = appending.missing_references(session, outside, register)
                faults += [_reference_fault(row.line, fault) for fault in missing]
                if not missing:
                    known.update(each[1:] for each in outside.references)
            faulty += bool(faults)
            yield from faults
        for line, reference in later:
            if reference[2] in own:
                continue
            item = Item("", "", b"", (reference,))
            missing = appending.missing_references(session, item, register)
            faulty += bool(missing)
            yield from (_reference_fault(line, fault) for fault in missing)
    yield {"rows": count, "faulty": faulty}


def load_csv(
    database: Database,
    file: BinaryIO,
    register: str,
    mapped: Mapping[str, str],
    *,
    now: int,
    progress: Progress = lambda entries: None,
) -> Result:
    """Append every row of a CSV file that changes its record; raises FileRefused or NotFound."""
    errors: list[dict[str, str]] = []
    faulty = 0
    for found in check_csv(database, file, register, mapped):
        if "rows" in found:
            faulty = int(str(found["faulty"]))
        elif len(errors) < MOST_ERRORS:
            place = f"line {found['line']}" + (f", {found['field']}" if found["field"] else "")
            errors.append({"detail": f"{place}: {found['detail']}", "pointer": ""})
    if faulty:
        raise FileRefused(
            f"{faulty} {'row breaks' if faulty == 1 else 'rows break'} a rule; nothing was loaded. "
            "A dry run lists every fault.",
            errors=errors,
        )
    with database.snapshot() as session:
        head = heads.find_register(session, register)
    if head is None:
        raise NotFound("There is no register of this name.")
    at = max(now, head["updated"])
    loaded = loading.load(
        database,
        register,
        _commands(_rows(file, head, mapped), at),
        checker=Checker(heads.key_field(head), heads.fields_of(head)),
        skip_repeats=True,
        progress=progress,
        now=at,
    )
    return Result(register, False, loaded)


class _Counted:
    """The commands of a file, counted as they pass."""

    def __init__(self, commands: Iterator[rsf.Command]) -> None:
        self._commands = commands
        self.items = self.user = self.system = 0

    def __iter__(self) -> Iterator[rsf.Command]:
        for command in self._commands:
            if isinstance(command, rsf.AddItem):
                self.items += 1
            elif isinstance(command, rsf.AppendEntry):
                self.system += command.log == "system"
                self.user += command.log == "user"
            yield command


def _item_of(content: str) -> dict[str, Any]:
    command = next(rsf.parse([rsf.add_item(content).encode()]))
    return command.values if isinstance(command, rsf.AddItem) else {}


def _merged(found: RowMapping, declared: Declared) -> tuple[Field, ...]:
    """Return a register's fields with those that a file adds; what a field is never changes."""
    fields = {field.id: field for field in heads.fields_of(found)}
    for new in declared.fields:
        old = fields.get(new.id)
        if old is None:
            fields[new.id] = new
            continue
        for what in ("datatype", "cardinality"):
            if getattr(old, what) != getattr(new, what):
                raise FileRefused(
                    f"The file changes the {what} of the field {new.id} from {getattr(old, what)} "
                    f"to {getattr(new, what)}. What a field is never changes; declare a new one."
                )
        text = {**(old.description or {}), **(new.description or {})}
        fields[new.id] = replace(old, description=text or None, register=old.register)
    return tuple(fields.values())


def _columns(what: Plan, now: int) -> dict[str, Any]:
    """Return the columns of a register's table as its system entries say them."""
    declared = what.declared
    started = what.outline.started
    return {
        "name": what.register,
        "title": {"en": declared.title or what.register},
        "description": {"en": declared.text or ""},
        "fields": [_written(field) for field in what.fields],
        "custodian": declared.custodian or "",
        "synthetic": False,
        "source": "Loaded from a file in the register serialisation format",
        "licence": declared.copyright or "",
        "phase": declared.phase or "discovery",
        "started": now if started is None else min(started, now),
        "key_field": None if what.key_field == what.register else what.key_field,
        "governance": governance.read(what.outline.declared),
    }


def _written(field: Field) -> dict[str, Any]:
    return {name: value for name, value in asdict(field).items() if value is not None}


def _describe(session: Session, what: Plan, now: int) -> None:
    """Let the register's own columns say what its system log says now, and enlist it."""
    columns = _columns(what, now)
    if what.exists:
        found = heads.find_register(session, what.register)
        if found is None:
            raise NotFound("There is no register of this name any more.")
        declared = what.declared
        columns = {
            "title": {**found["title"], "en": declared.title or found["title"].get("en", "")},
            "description": {
                **found["description"],
                "en": declared.text or found["description"].get("en", ""),
            },
            "fields": columns["fields"],
            "custodian": declared.custodian or found["custodian"],
            "licence": declared.copyright or found["licence"],
            "phase": declared.phase or found["phase"],
            "governance": {**found["governance"], **columns["governance"]},
        }
        heads.describe(session, found["id"], columns)
    enlisting.enlist(session, what.register, now)


def _rows(file: BinaryIO, register: RowMapping, mapped: Mapping[str, str]) -> Iterator[rows.Row]:
    try:
        fields: Sequence[Field] = heads.fields_of(register)
        yield from rows.read(file, heads.key_field(register), fields, mapped)
    except rows.Unreadable as fault:
        raise FileRefused(f"{fault} Nothing was loaded.") from None


def _commands(found: Iterator[rows.Row], at: int) -> Iterator[rsf.Command]:
    for row in found:
        if row.item is None:
            raise rsf.Faulty(row.line, "row", "The row changed since it was checked.")
        item_hash = row.item.item_hash
        yield rsf.AddItem(row.line, row.item.content, item_hash, _item_of(row.item.content))
        yield rsf.AppendEntry(row.line, "user", row.item.key, at, item_hash)


def _reference_fault(line: int, fault: Mapping[str, str]) -> dict[str, object]:
    return {"line": line, "field": fault["pointer"][1:], "detail": fault["detail"]}
