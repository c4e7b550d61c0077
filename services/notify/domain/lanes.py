"""The lanes of the queue: what is taken first, and which part of a worker takes it."""

MESSAGE, BULK, CALLBACK, CHORE = range(4)
DELIVERY = (MESSAGE, BULK)
ERRANDS = (CALLBACK, CHORE)
# a flood of single messages must not stop bulk, nor the other way round
_SHARE_OF_FIRST = 0.8


def share(lanes: tuple[int, ...], lane: int, limit: int, taken: int) -> int:
    """Return how many jobs of a lane to take: most for the first, what is left for the last."""
    if lane == lanes[-1]:
        return max(limit - taken, 0)
    return max(1, round(limit * _SHARE_OF_FIRST))
