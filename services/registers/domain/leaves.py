"""What the leaves of the version 1 tree hold; version 2 has ``objecthash.entry_hash``."""

from services.registers.domain import moments


def v1(number: int, key: str, at: int, item_hash: bytes) -> bytes:
    """Return the leaf input of an entry: its JSON with the members in this very order.

    at: seconds since 1970. A key of the user log has no character that JSON escapes.
    """
    return (
        f'{{"index-entry-number":"{number}","entry-number":"{number}",'
        f'"entry-timestamp":"{moments.write(at)}","key":"{key}",'
        f'"item-hash":["sha-256:{item_hash.hex()}"]}}'
    ).encode()
