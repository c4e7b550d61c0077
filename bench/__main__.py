"""Runs ``python -m bench [SUITE …] [--quick] [--big]``: each figure beside its target."""

import argparse
import importlib
import os
import sys

from bench.measure import Options

SUITES = {
    "platform": "bench.platform_bench",
    "identity": "bench.identity_bench",
    "verification": "bench.verification_bench",
    "gateway": "bench.gateway_bench",
    "notify": "bench.notify_bench",
    "registers": "bench.registers_bench",
}


def main() -> int:
    """Measure the chosen suites, or all; return 1 when a target is not met."""
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument("suites", nargs="*", metavar="SUITE", help=", ".join(SUITES))
    parser.add_argument("--quick", action="store_true", help="leave out what takes minutes")
    parser.add_argument("--big", action="store_true", help="the full sizes (BIG=1 make bench)")
    chosen = parser.parse_args()
    if unknown := [name for name in chosen.suites if name not in SUITES]:
        parser.error(f"there is no suite {unknown[0]!r}; there are: {', '.join(SUITES)}")
    options = Options(quick=chosen.quick, big=chosen.big or os.environ.get("BIG") == "1")
    print("Atoll: figures and targets (on a machine that does nothing else)", flush=True)
    figures = []
    for name in chosen.suites or SUITES:
        print(f"{name}:", flush=True)
        figures += importlib.import_module(SUITES[name]).measure(options)
    aimed = [figure for figure in figures if figure.target is not None]
    print(f"{sum(figure.is_met for figure in aimed)} of {len(aimed)} targets met.")
    return 0 if all(figure.is_met for figure in aimed) else 1


if __name__ == "__main__":
    sys.exit(main())
