"""The proof of quickness: detections and delay of every detector on the same traffic, as tables.

    python -m benchmarks.judgement.quick [--quick] [--levels 10/s,…] [--judges ours,…] [--runs N] [--out build/judgement/quick]

`--quick` is a smoke run. Without build/peers (`benchmarks/judgement/setup_peers.sh`) Evidently and NannyML are left out, and it says so.
"""

import argparse
import importlib.metadata
import json
import platform
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from benchmarks.judgement import ours, peers
from benchmarks.judgement.measure import Tally
from benchmarks.judgement.traffic import CHANGED, LEVELS, STEADY, Change, Run

ROWS: Final = 50_000
"""Training rows: enough for NannyML to take thresholds from ten chunks of a 5-minute window's size at 10 events/s."""
CHANGED_RUNS: Final = {"0.1/s": 4, "10/s": 4, "1000/s": 1}
STEADY_RUNS: Final = {"0.1/s": 2, "10/s": 2, "1000/s": 1}
JUDGES: Final = {"ours": ours.everything, "ours, paging": ours.paging, **peers.JUDGES}
MISSING: Final = frozenset(feature.name for feature in CHANGED if feature.change is Change.MISSING)
HEADS: Final = (
    "traffic",
    "judge",
    "F1",
    "F1 without missing rates",
    "found",
    "steady units flagged",
    "false alarms per 1,000 feature-days",
    "median delay, minutes",
)
LIBRARIES: Final = ("numpy", "scipy", "river")


@dataclass(slots=True)
class Result:
    """One judge at one level of traffic. seconds: of waiting, all runs together."""

    level: str
    judge: str
    tally: Tally = field(default_factory=Tally)
    seconds: float = 0.0

    def figures(self) -> dict[str, Any]:
        """What the JSON file holds."""
        tally = self.tally
        delays = {feature.name: tally.delay_minutes(feature.name) for feature in CHANGED}
        found = {feature.name: len(tally.delays_ms.get(feature.name, ())) for feature in CHANGED}
        return {
            "level": self.level,
            "judge": self.judge,
            "f1": tally.f1(),
            "f1_without_missing": tally.f1(MISSING),
            "hits": tally.hits(),
            "misses": sum(tally.misses.values()),
            "false_units": tally.false_units,
            "steady_units": tally.units,
            "false_alarms_per_1000_feature_days": tally.false_per_day(),
            "delay_minutes": tally.delay_minutes(),
            "found": found,
            "delay_minutes_by_feature": delays,
            "seconds": self.seconds,
        }


def runs_of(level: str, count: int | None) -> list[Run]:
    """Runs with changes, seeds from 1; then those without, seeds from 101."""
    changed = CHANGED_RUNS[level] if count is None else count
    steady = STEADY_RUNS[level] if count is None else min(count, 1)
    return [Run(LEVELS[level], 1 + i) for i in range(changed)] + [Run(LEVELS[level], 101 + i, changes=False) for i in range(steady)]


def judged(level: str, names: Sequence[str], runs: Sequence[Run]) -> list[Result]:
    """Every judge on every run; run by run, since ours is read twice."""
    results = [Result(level, name) for name in names]
    for run in runs:
        for result in results:
            began = time.perf_counter()
            result.tally.add(run, JUDGES[result.judge](run, ROWS))
            result.seconds += time.perf_counter() - began
            print(f"{level} seed {run.seed}: {result.judge}, {time.perf_counter() - began:.1f} s", flush=True)
    return results


def overview(results: Sequence[Result]) -> str:
    """A row per judge and level."""
    lines = ["| " + " | ".join(HEADS) + " |", "|---" * len(HEADS) + "|"]
    for result in results:
        tally = result.tally
        hits, misses = tally.hits(), sum(tally.misses.values())
        cells = [result.level, result.judge, f"{tally.f1():.2f}", f"{tally.f1(MISSING):.2f}", f"{hits} of {hits + misses}"]
        cells += [f"{tally.false_units} of {tally.units}", f"{tally.false_per_day():,.1f}", _minutes(tally.delay_minutes())]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def by_change(results: Sequence[Result]) -> str:
    """A row per change, a column per judge: found of runs, and the median delay in minutes."""
    lines = ["| change | " + " | ".join(result.judge for result in results) + " |", "|---" * (len(results) + 1) + "|"]
    for feature in CHANGED:
        cells = [f"{feature.change} {feature.size:g} {feature.way}"]
        for result in results:
            found, missed = len(result.tally.delays_ms.get(feature.name, ())), result.tally.misses.get(feature.name, 0)
            cells.append(f"{found}/{found + missed} " + (_minutes(result.tally.delay_minutes(feature.name)) if found else ""))
        lines.append("| " + " | ".join(cell.strip() for cell in cells) + " |")
    return "\n".join(lines)


def _minutes(delay: float | None) -> str:
    return "" if delay is None else f"{delay:.1f}"


def versions() -> dict[str, str]:
    """Of what the figures depend on."""
    found = {name: importlib.metadata.version(name) for name in LIBRARIES}
    pinned = (Path(__file__).parent / "requirements-peers.txt").read_text().splitlines()
    peers_ = dict(line.split(" ")[0].split("==") for line in pinned if line.startswith(("evidently", "nannyml")))
    return {"python": platform.python_version(), **found, **peers_}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="one run at 10 events/s and none of the slow peers")
    parser.add_argument("--levels", default=",".join(LEVELS))
    parser.add_argument("--judges", default=None, help="by default all; separated by semicolons")
    parser.add_argument("--runs", type=int, default=None)
    parser.add_argument("--out", type=Path, default=peers.ROOT / "build" / "judgement" / "quick")
    options = parser.parse_args()
    names = list(JUDGES) if options.judges is None else options.judges.split(";")
    if options.quick:
        names = [name for name in names if name not in peers.SLOW]
    elif not peers.INTERPRETER.exists():
        print("build/peers is missing: Evidently and NannyML are left out; see benchmarks/judgement/setup_peers.sh")
        names = [name for name in names if name not in peers.SEPARATE]
    levels = ["10/s"] if options.quick else options.levels.split(",")
    results = [result for level in levels for result in judged(level, names, runs_of(level, 1 if options.quick else options.runs))]
    text = overview(results) + "".join(
        f"\n\n{level}: found of the runs, and the median delay in minutes\n\n"
        + by_change([result for result in results if result.level == level and result.judge != "never"])
        for level in levels
    )
    print(f"\n{text}")
    options.out.parent.mkdir(parents=True, exist_ok=True)
    figures = {"versions": versions(), "rows": ROWS, "steady": len(STEADY), "results": [result.figures() for result in results]}
    options.out.with_suffix(".json").write_text(json.dumps(figures, indent=1) + "\n")
    options.out.with_suffix(".md").write_text(text + "\n")


if __name__ == "__main__":
    main()
