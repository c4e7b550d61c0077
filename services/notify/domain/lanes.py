"""The lanes of the queue: what is taken first, and which part of a worker takes it."""

MESSAGE, BULK, CALLBACK, CHORE = range(4)
DELIVERY = (MESSAGE, BULK)
ERRANDS = (CALLBACK, CHORE)
# a flood of single messages must not stop bulk, nor the other way round
_SHARE_OF_FIRST = 0.8


def shares(lanes: tuple[int, ...], limit: int) -> list[tuple[int, int]]:
    """Return how many jobs of each lane may be taken at once; the first lane gets most."""
    first = max(1, round(limit * _SHARE_OF_FIRST)) if len(lanes) > 1 else limit
    rest = max(1, (limit - first) // max(1, len(lanes) - 1))
    return [(lane, first if lane == lanes[0] else rest) for lane in lanes]
