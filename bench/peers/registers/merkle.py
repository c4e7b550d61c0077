"""Measures pymerkle (GPL-3, a comparison only) in a process of its own: merkle.py SIZE"""

import json
import random
import sys
import time

from pymerkle import InmemoryTree

size = int(sys.argv[1])
tree = InmemoryTree(algorithm="sha256")
began = time.perf_counter()
for number in range(size):
    tree.append_entry(b"entry %d of a register, as long as an entry is on the whole" % number)
appends = size / (time.perf_counter() - began)
chance, durations = random.Random(size), []
for turn in range(100):
    whole = chance.randint(2, size)
    part = chance.randint(1, whole)
    began = time.perf_counter()
    if turn % 2:
        tree.prove_inclusion(part, whole)
    else:
        tree.prove_consistency(part, whole)
    durations.append((time.perf_counter() - began) * 1000)
durations.sort()
print(json.dumps({"appends": appends, "p50_ms": durations[50], "p99_ms": durations[98]}))
