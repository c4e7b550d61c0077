"""The register serialisation format: what each line says, and every fault where it is."""

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.registers.domain import canonical, moments, outline, rsf
from services.registers.domain.rsf import AddItem, AppendEntry, AssertRoot, Command, Faulty

HASH = "sha-256:" + "ab" * 32
ENTRY = f"append-entry\tuser\tGB\t2010-11-12T13:14:15Z\t{HASH}"
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
ITEMS = st.dictionaries(TEXTS, TEXTS | st.lists(TEXTS, max_size=2), max_size=4)
KEYS = st.from_regex(r"[A-Za-z0-9]([._/-]?[A-Za-z0-9]){0,8}", fullmatch=True)
SYSTEM_KEYS = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=20)
SECONDS = st.integers(min_value=0, max_value=4_000_000_000)
DIGESTS = st.binary(min_size=32, max_size=32)


def parse(*lines: str | bytes) -> list[Command]:
    return list(rsf.parse(line.encode() if isinstance(line, str) else line for line in lines))


def test_the_printed_faulty_lines_are_refused(vectors: Any) -> None:
    lines = [vector["line"] for vector in vectors["rsf_errors"] if "line" in vector]
    assert len(lines) >= 6
    for line in lines:
        with pytest.raises(Faulty) as caught:
            parse(line)
        assert caught.value.line == 1
        assert caught.value.command == line.split("\t")[0]
        assert caught.value.reason.endswith(".")


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("add-item\t{}x", "not JSON"),
        ("add-item\t[]", "JSON object"),
        ('add-item\t"a"', "JSON object"),
        ('add-item\t{"a":1}', "string or a list"),
        ('add-item\t{"a":null}', "string or a list"),
        ('add-item\t{"a":["x",1]}', "string or a list"),
        ('add-item\t{"a":{"b":"c"}}', "string or a list"),
        ('add-item\t{"a":"x","a":"y"}', "not canonical"),
        ('add-item\t{"a":NaN}', "not JSON"),
        ('add-item\t{"a":"\\u00e9"}', "not canonical"),
        ('add-item\t{"a":"\\u001f"}', "not canonical"),
        ('add-item\t{"a":"\\ud800"}', "not"),
        ("add-item\t" + "[" * 100_000, "not JSON"),
        ("add-item\t" + "9" * 5_000, "not JSON"),
        (b"add-item\t\xff", "UTF-8"),
        ("add-item", "not JSON"),
        ("ADD-ITEM\t{}", "unknown"),
        ("\ufeffadd-item\t{}", "unknown"),
        ("", "empty line"),
        ("append-entry", "4 parts"),
        (ENTRY + "\tx", "4 parts"),
        (ENTRY.replace("user", "User"), "user or system"),
        (ENTRY.replace("GB", "_GB"), "cannot be a key"),
        (ENTRY.replace("GB", "G--B"), "cannot be a key"),
        (ENTRY.replace("GB", ""), "cannot be a key"),
        (ENTRY.replace("GB", "G" * 201), "cannot be a key"),
        (ENTRY.replace("\tuser\tGB", "\tsystem\t"), "system key"),
        (ENTRY.replace("\tuser\tGB", "\tsystem\t" + "a" * 256), "system key"),
        (ENTRY.replace("\tuser\tGB", "\tsystem\ta\x7f"), "system key"),
        (ENTRY.replace("15Z", "15+00:00"), "timestamp"),
        (ENTRY.replace("11-12", "02-30"), "timestamp"),
        (f"{ENTRY};{HASH}", "one item"),
        (ENTRY.replace("ab" * 32, "AB" * 32), "item hash"),
        (ENTRY.replace("sha-256:", ""), "item hash"),
        ("assert-root-hash\t", "root hash"),
        (f"assert-root-hash\t{HASH}\t", "root hash"),
        ("assert-root-hash\t1220" + "ab" * 32, "root hash"),
        ("x" * (rsf.MAX_LINE_BYTES + 1), "longer"),
    ],
    ids=range(38),
)
def test_a_faulty_line_is_named_with_its_reason(line: str | bytes, reason: str) -> None:
    with pytest.raises(Faulty, match=reason) as caught:
        parse(f"assert-root-hash\t{HASH}\n", line, "\nadd-item\t{}\n")
    assert caught.value.line == 2


def test_lines_may_end_as_on_windows_and_the_last_need_not() -> None:
    commands = parse('add-item\t{"a":"b"}\r\n', f"assert-root-hash\t{HASH}\n", ENTRY, "\n", "\r\n")
    assert [type(command) for command in commands] == [AddItem, AssertRoot, AppendEntry]
    assert [command.line for command in commands] == [1, 2, 3]


def test_commands_say_what_their_lines_say() -> None:
    item, entry, root = parse(
        'add-item\t{"a":"é\\n","b":["x","y"]}\n', ENTRY, f"assert-root-hash\t{HASH}"
    )
    content = '{"a":"é\\n","b":["x","y"]}'
    assert item == AddItem(1, content, canonical.item_hash(content), {"a": "é\n", "b": ["x", "y"]})
    assert entry == AppendEntry(2, "user", "GB", 1289567655, bytes.fromhex("ab" * 32))
    assert root == AssertRoot(3, bytes.fromhex("ab" * 32))


LINES = (
    ITEMS.map(lambda item: rsf.add_item(canonical.item_json(item)))
    | DIGESTS.map(rsf.assert_root)
    | st.builds(rsf.append_entry, st.just("user"), KEYS, SECONDS, DIGESTS)
    | st.builds(rsf.append_entry, st.just("system"), SYSTEM_KEYS, SECONDS, DIGESTS)
)


def written(command: Command) -> str:
    if isinstance(command, AddItem):
        return rsf.add_item(command.content)
    if isinstance(command, AppendEntry):
        return rsf.append_entry(command.log, command.key, command.at, command.item_hash)
    return rsf.assert_root(command.root)


@given(st.lists(LINES, max_size=6))
def test_what_was_written_reads_the_same(lines: list[str]) -> None:
    assert [written(command) for command in parse(*lines)] == lines


NOISE = st.sampled_from(
    [b"add-item", b"append-entry", b"assert-root-hash", b"\t", b"\n", b"user", b"system", b"{}",
     b'{"a":"b"}', HASH.encode(), b"2010-11-12T13:14:15Z", b"\xff", b"\x00", b"GB", b";"]
)  # fmt: skip


@given(st.lists(NOISE | st.binary(max_size=5), max_size=14).map(b"".join))
def test_no_file_breaks_the_reader(data: bytes) -> None:
    def lines() -> Iterator[bytes]:
        yield from data.splitlines(keepends=True)

    found, line = rsf.parse(lines()), 0
    while True:
        try:
            command = next(found, None)
        except Faulty as fault:
            line = fault.line
            break
        if command is None:
            break
        written(command)
    assert 0 <= line <= len(data.splitlines())
    outline.look(lines(), lines())


def test_the_outline_finds_what_the_file_says_of_itself() -> None:
    said = '{"register":"country","fields":["country"]}'
    item = canonical.item_json({"fields": ["country"], "register": "country"})
    digest = canonical.item_hash(item)
    lines = [
        rsf.assert_root(b"\x01" * 32),
        rsf.add_item(item),
        rsf.append_entry("system", "register:country", 1_500_000_000, digest),
        rsf.append_entry("system", "name", 1_500_000_000, b"\x02" * 32),
        rsf.append_entry("user", "GB", 1_500_000_001, digest),
        rsf.assert_root(b"\x01" * 32),
        rsf.add_item("{}"),
    ]
    data = [line.encode() for line in lines]
    found = outline.look(data, data)
    assert said != item
    assert found.declared == [("register:country", {"fields": ["country"], "register": "country"})]
    assert (found.items, found.entries, found.asserts) == (2, 3, 2)
    assert found.started == 1_500_000_000
    assert found.proved_until == 6
    assert moments.write(found.started) == "2017-07-14T02:40:00Z"
