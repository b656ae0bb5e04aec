"""Run seeds; print what was met by kind, and for each that failed the command that replays it."""

import argparse
import gc
import traceback
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field

import structlog

from tests.simulation.checks import check
from tests.simulation.kinds import Kind
from tests.simulation.label_mutations import MUTATIONS
from tests.simulation.script import script
from tests.simulation.simulation import Simulation
from tests.simulation.tasks import graded

CHUNK = 25
ENOUGH = 250
"""From so many seeds on, every kind of trouble must have come."""


@dataclass
class Result:
    """Of any number of seeds."""

    seeds: int = 0
    injected: Counter[Kind] = field(default_factory=Counter)
    failures: list[tuple[int, str]] = field(default_factory=list)

    def add(self, other: "Result") -> None:
        self.seeds += other.seeds
        self.injected += other.injected
        self.failures += other.failures

    def never(self) -> list[Kind]:
        """Kinds that should have come and did not."""
        return [kind for kind in Kind if not self.injected[kind]] if self.seeds >= ENOUGH else []


@contextmanager
def silence() -> Iterator[None]:
    """The workers' logs are no part of a simulation."""
    before = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    try:
        yield
    finally:
        structlog.configure(**before)


@contextmanager
def uncollected() -> Iterator[None]:
    """Garbage waits until the seed's end: of what lives meanwhile most is needed to the end (an eighth of the time)."""
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()


def run_seed(seed: int, mutation: str | None = None) -> tuple[Simulation, str | None]:
    """One seed: the run, and what was wrong with it."""
    graded()  # they are made by code that a mutation may break
    with silence(), uncollected(), MUTATIONS[mutation]() if mutation else nullcontext():
        run = Simulation(script(seed))
        try:
            run.run()
            check(run)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is what the seed found
            place = traceback.extract_tb(error.__traceback__)[-1]
            return run, f"{type(error).__name__}: {error} ({place.filename.rpartition('/')[2]}:{place.lineno})"
    return run, None


def run_seeds(seeds: Iterable[int], mutation: str | None = None) -> Result:
    """Several in this process."""
    result = Result()
    for seed in seeds:
        run, problem = run_seed(seed, mutation)
        result.seeds += 1
        result.injected += run.injected
        if problem is not None:
            result.failures.append((seed, problem))
    return result


def replay_command(seed: int, mutation: str | None = None) -> str:
    """What a person types to see it again."""
    return f"python -m tests.simulation --seed {seed}" + (f" --mutation {mutation}" if mutation else "")


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; 0: all is well."""
    args = _parser().parse_args(arguments)
    if args.seed is not None:
        return _show(args.seed, args.mutation)
    first, _, last = args.seeds.rpartition("-")
    seeds = range(int(first or 0), int(last) + 1 if first else int(last))
    chunks = [seeds[start : start + CHUNK] for start in range(0, len(seeds), CHUNK)]
    total = Result()
    with ProcessPoolExecutor(args.jobs) as pool:
        for result in pool.map(run_seeds, chunks, [args.mutation] * len(chunks)):
            total.add(result)
            for seed, problem in result.failures:
                print(f"seed {seed}: {problem}\n    {replay_command(seed, args.mutation)}", flush=True)
    return _conclude(total)


def _show(seed: int, mutation: str | None) -> int:
    run, problem = run_seed(seed, mutation)
    print("\n".join(run.trace.lines()))
    print(problem or "all is as it must be")
    return int(problem is not None)


def _conclude(total: Result) -> int:
    width = max(len(kind) for kind in Kind)
    for kind in Kind:
        print(f"{kind.value:<{width}} {total.injected[kind]:>9,}")
    never = total.never()
    if never:
        print(f"never met, so nothing is shown of it: {', '.join(never)}")
    print(f"{total.seeds:,} seeds, {len(total.failures)} failed")
    return int(bool(total.failures or never))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seeds", default="500", help="how many from 0 on, or FIRST-LAST (default 500)")
    parser.add_argument("--seed", type=int, help="one seed, with its trace")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--mutation", choices=sorted(MUTATIONS), help="with a bug on purpose")
    return parser
