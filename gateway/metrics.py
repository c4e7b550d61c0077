"""Counts on the hot path, and their text for Prometheus; workers share theirs through a folder.

Counting is two dictionary look-ups. Each worker writes its counts once a second into the folder
that the server made for all of them (``ATOLL_RUN``); whichever worker is asked adds them up. Counts
of a worker that has ended stay, so that no counter ever goes back while the gateway runs.
"""

import asyncio
import json
import logging
import os
import time
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

logger = logging.getLogger(__name__)
SAVE_EVERY_S = 1.0
LIVE_S = 5.0  # a worker that has not written for so long has ended: its gauges say nothing more
BOUNDS_US = (500, 1000, 2500, 5000, 10000, 25000, 50000, 100000, 250000, 1000000, 5000000, 20000000)

Gauge = tuple[str, str, dict[str, str], float]  # name, help, labels, value
Gauges = Callable[[], Iterable[Gauge]]


class Tallies:
    """How many calls there were, how they ended and how long they took."""

    def __init__(self) -> None:
        self.calls: dict[tuple[str, str, int, str], int] = {}
        self.times: dict[tuple[str, str], list[int]] = {}

    def count(self, service: str, route: str, status: int, outcome: str, duration_us: int) -> None:
        """Count one call."""
        key = (service, route, status // 100, outcome)
        self.calls[key] = self.calls.get(key, 0) + 1
        times = self.times.get((service, route))
        if times is None:
            times = self.times[service, route] = [0] * (len(BOUNDS_US) + 2)
        times[bisect_left(BOUNDS_US, duration_us)] += 1
        times[-1] += duration_us


class Metrics:
    """The counts of every worker together, and each one's gauges."""

    def __init__(self, tallies: Tallies, gauges: Iterable[Gauges], folder: Path | None) -> None:
        self._tallies, self._gauges, self._folder = tallies, tuple(gauges), folder
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to write this worker's counts for the others."""
        if self._folder is not None:
            self._task = asyncio.create_task(self._save_often(self._folder))

    async def stop(self) -> None:
        """Leave the last counts behind."""
        if self._task is not None and self._folder is not None:
            self._task.cancel()
            self._save(self._folder)

    async def _save_often(self, folder: Path) -> None:
        while True:
            await asyncio.sleep(SAVE_EVERY_S)
            self._save(folder)

    def _save(self, folder: Path) -> None:
        own = folder / f"metrics-{os.getpid()}.json"
        try:
            fresh = own.with_suffix(".new")
            fresh.write_text(json.dumps(self._own()), encoding="utf-8")
            fresh.replace(own)
        except OSError as error:
            logger.warning("the metrics cannot be shared: %s", error)

    def _own(self) -> dict[str, Any]:
        return {
            "at": time.time(),
            "worker": os.getpid(),
            "calls": [[*key, count] for key, count in list(self._tallies.calls.items())],
            "times": [[*key, times] for key, times in list(self._tallies.times.items())],
            "gauges": [gauge for gauges in self._gauges for gauge in gauges()],
        }

    def _all(self) -> Iterator[dict[str, Any]]:
        yield self._own()
        own = f"metrics-{os.getpid()}.json"
        for file in sorted(self._folder.glob("metrics-*.json")) if self._folder else ():
            if file.name != own:
                try:
                    yield json.loads(file.read_text(encoding="utf-8"))
                except (OSError, ValueError) as error:
                    logger.warning("a worker's metrics cannot be read: %s", error)

    def text(self) -> tuple[bytes, str]:
        """Return everything in Prometheus's text format, and its media type."""
        from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
        from prometheus_client.core import (
            CounterMetricFamily,
            GaugeMetricFamily,
            HistogramMetricFamily,
        )

        calls: dict[tuple[str, ...], int] = {}
        times: dict[tuple[str, str], list[int]] = {}
        gauges: dict[str, GaugeMetricFamily] = {}
        for worker in self._all():
            for service, route, kind, outcome, count in worker["calls"]:
                told = (service, route or "unrouted", f"{kind}xx", outcome)
                calls[told] = calls.get(told, 0) + count
            for service, route, found in worker["times"]:
                before = times.get((service, route), [0] * len(found))
                times[service, route] = [a + b for a, b in zip(before, found, strict=True)]
            if time.time() - worker["at"] > LIVE_S:
                continue
            for name, words, labels, value in worker["gauges"]:
                labels = {**labels, "worker": str(worker["worker"])}
                family = gauges.setdefault(name, GaugeMetricFamily(name, words, labels=[*labels]))
                family.add_metric([*labels.values()], value)

        counter = CounterMetricFamily(
            "atoll_gateway_requests",
            "Calls by where they went and how they ended.",
            labels=["service", "route", "status", "outcome"],
        )
        for key, count in sorted(calls.items()):
            counter.add_metric(key, count)
        histogram = HistogramMetricFamily(
            "atoll_gateway_request_seconds",
            "How long calls took, from the first byte read to the last one sent.",
            labels=["service", "route"],
        )
        for (service, route), found in sorted(times.items()):
            total, buckets = 0, []
            for bound, number in zip((*BOUNDS_US, None), found[:-1], strict=True):
                total += number
                buckets.append(("+Inf" if bound is None else repr(bound / 1e6), total))
            histogram.add_metric([service, route or "unrouted"], buckets, found[-1] / 1e6)

        class Collected:
            def collect(self) -> Iterator[Any]:
                yield counter
                yield histogram
                yield from gauges.values()

        registry = CollectorRegistry(auto_describe=False)
        registry.register(Collected())
        return generate_latest(registry), CONTENT_TYPE_LATEST
