"""A small register in the register serialisation format, line by line."""

from typing import Any

from servicekit import merkle
from services.registers.domain import canonical, rsf

AT = 1_577_836_800  # 2020
EMPTY = rsf.assert_root(merkle.EMPTY_ROOT)


def item(**values: Any) -> tuple[str, bytes]:
    content = canonical.item_json(values)
    return content, canonical.item_hash(content)


def declared(register: str = "stamp") -> list[str]:
    """The lines that declare a register of stamps."""
    said: list[tuple[str, dict[str, Any]]] = [
        (f"field:{name}", {"field": name, "datatype": "string", "cardinality": cardinality})
        for name, cardinality in {register: "1", "name": "1", "colours": "n"}.items()
    ]
    said.append(("register-name", {"register-name": "Stamps"}))
    said.append(("custodian", {"custodian": "The Post"}))
    about = {"register": register, "fields": [register, "name", "colours"], "text": "Every stamp."}
    said.append((f"register:{register}", about))
    lines = []
    for key, value in said:
        content, digest = item(**value)
        lines += [rsf.add_item(content), rsf.append_entry("system", key, AT, digest)]
    return lines


def stamp(key: str, name: Any = "Blue", **more: Any) -> list[str]:
    content, digest = item(stamp=key, name=name, **more)
    return [rsf.add_item(content), rsf.append_entry("user", key, AT + 1, digest)]


def body(*lines: list[str] | str) -> bytes:
    return "".join("".join(each) for each in lines).encode()
