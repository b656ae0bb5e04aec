"""Runs the benchmarks of bounds.toml and says PASS or FAIL for each figure; exit status 1 where one fails.

Beyond a promise (`least`, `most`) or further from `usual` than `tolerance` is a failure. On a busy machine run it again.

    python benchmarks/check.py [--all] [NAME …]       --all: the slow ones too, which need a real Kafka
"""

import argparse
import json
import os
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent


def run(command: list[str]) -> dict[str, float]:
    """A benchmark's figures: the last line it prints, where that is JSON; what else it prints is shown."""
    done = subprocess.run([sys.executable, str(HERE / command[0]), *command[1:]], stdout=subprocess.PIPE, text=True, check=True)
    *shown, last = done.stdout.splitlines()
    if last.startswith("{"):
        figures: dict[str, float] = json.loads(last)
    else:
        figures, shown = {}, [*shown, last]
    for line in shown:
        print(f"    {line}")
    return figures


def failures(value: float, bound: Mapping[str, float]) -> Iterator[str]:
    """What a figure breaks."""
    if value < bound.get("least", value):
        yield f"below {bound['least']:g}, which is promised"
    if value > bound.get("most", value):
        yield f"above {bound['most']:g}, which is promised"
    if "usual" in bound and value < bound["usual"] * (1 - bound["tolerance"]):
        yield f"below {bound['usual']:g} less {bound['tolerance']:.0%}"


def checked(bounds: Mapping[str, Mapping[str, float]], figures: Mapping[str, float]) -> bool:
    """Print a line per bound; whether all hold."""
    good = True
    for name, bound in bounds.items():
        broken = [*failures(figures[name], bound)] if name in figures else ["not measured"]
        good &= not broken
        value = f"{figures[name]:8.3f}" if name in figures else "       -"
        print(f"  {'FAIL' if broken else 'PASS'} {name:28s} {value}  {'; '.join(broken)}".rstrip())
    return good


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help="only these sections of bounds.toml")
    parser.add_argument("--all", action="store_true", help="the slow ones too")
    options = parser.parse_args()
    sections: dict[str, Any] = tomllib.loads((HERE / "bounds.toml").read_text())
    good, load = True, os.getloadavg()[0]
    for name, section in sections.items():
        if name in options.names or (not options.names and (options.all or not section.get("slow"))):
            print(f"{name}: {' '.join(section['command'])}", flush=True)
            good &= checked(section.get("bounds", {}), run(section["command"]))
    if not good and load > 1:
        print(f"{load:.1f} processes were running on {os.cpu_count()} cores when this began: run it again on a quiet machine")
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
