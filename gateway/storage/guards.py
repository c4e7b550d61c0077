"""Triggers with which the database itself refuses to change or drop what was recorded.

Whoever owns the database can take them away; then the tree and its signed heads still tell.
"""

from sqlalchemy import DDL, Table, event

MESSAGE = "the exchange log is append-only"
_IN_THE_TREE = """EXISTS (
    SELECT 1 FROM log_tree, log_hashes
    WHERE log_hashes.level = 0 AND log_hashes.erasure IS NULL
      AND log_hashes.place = OLD.number - 1 - log_tree.begins_after)"""
_CHANGED = """NEW.level <> OLD.level OR NEW.place <> OLD.place OR NEW.hash <> OLD.hash
    OR OLD.erasure IS NOT NULL OR NEW.erasure IS NULL"""
# table → when an UPDATE is refused, when a DELETE is (SQL over OLD and NEW; "1 = 1": always)
RULES = {
    "exchanges": ("1 = 1", _IN_THE_TREE),
    "log_hashes": (_CHANGED, "1 = 1"),
    "log_tree": ("NEW.size < OLD.size OR NEW.begins_after <> OLD.begins_after", "1 = 1"),
    "log_checkpoints": ("1 = 1", "1 = 1"),
    "log_erasures": ("1 = 1", "1 = 1"),
}


def guards(table: str, dialect: str) -> list[str]:
    """Return the statements that guard one table on one engine."""
    on_update, on_delete = RULES[table]
    rules = (("UPDATE", on_update), ("DELETE", on_delete))
    if dialect == "sqlite":
        return [
            f"CREATE TRIGGER {table}_no_{verb.lower()} BEFORE {verb} ON {table} WHEN {rule} "
            f"BEGIN SELECT RAISE(ABORT, '{MESSAGE}'); END"
            for verb, rule in rules
        ]
    statements = [
        f"CREATE FUNCTION {table}_no_truncate() RETURNS trigger LANGUAGE plpgsql AS $$ "
        f"BEGIN RAISE EXCEPTION '{MESSAGE}'; END $$",
        f"CREATE TRIGGER {table}_no_truncate BEFORE TRUNCATE ON {table} "
        f"FOR EACH STATEMENT EXECUTE FUNCTION {table}_no_truncate()",
    ]
    for verb, rule in rules:
        name, row = f"{table}_no_{verb.lower()}", "NEW" if verb == "UPDATE" else "OLD"
        statements += [
            f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
            f"IF {rule} THEN RAISE EXCEPTION '{MESSAGE}'; END IF; RETURN {row}; END $$",
            f"CREATE TRIGGER {name} BEFORE {verb} ON {table} "
            f"FOR EACH ROW EXECUTE FUNCTION {name}()",
        ]
    return statements


def guard(table: Table) -> None:
    """Guard a table wherever it is made from the model."""
    for dialect in ("sqlite", "postgresql"):
        for statement in guards(table.name, dialect):
            ddl = DDL(statement.replace("%", "%%"))  # type: ignore[no-untyped-call]
            event.listen(table, "after_create", ddl.execute_if(dialect=dialect))
