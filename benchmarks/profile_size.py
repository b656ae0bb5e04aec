"""How large a profile is on the wire, beside the rows that it stands for.

One pane's record as a profile worker writes it (frame, coordinates, counts, moments, samples), for n events of 770 bytes with 25
features. Beside it: the messages as they came, and the tightest form of raw rows that loses nothing which a profile keeps (msgpack of
8 bytes per number and one code per category). The commit interval, not the row count, decides how many events share a profile.

    python benchmarks/profile_size.py [--seed 7] [--seeds 5] [--json]
"""

import argparse
import json
from collections.abc import Sequence
from statistics import mean

import msgspec

from benchmarks import events, plans
from stream_monitor.capture.columns import Columns
from stream_monitor.capture.decode import Decoder
from stream_monitor.pipeline.plan import Plan
from stream_monitor.pipeline.summarise import summarise
from stream_monitor.profile import codec

ROWS = (1, 2, 3, 5, 10, 20, 50, 100, 500, 1_000, 10_000)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--seeds", type=int, default=5, help="how many batches of each size are averaged")
    parser.add_argument("--json", action="store_true", help="the ratios alone, as JSON")
    options = parser.parse_args()
    plan = plans.plan(plans.config("1h"), plans.baseline())
    sizes = {n: measured(plan, n, range(options.seed, options.seed + options.seeds)) for n in ROWS}
    if options.json:
        print(json.dumps({f"profile_size.rows_{n}": profile / messages for n, (profile, messages, _) in sizes.items()}))
        return
    print(f"{'rows':>6} {'profile':>10} {'messages':>10} {'ratio':>8} {'raw rows':>10} {'ratio':>8}   bytes, means of {options.seeds}")
    for n, (profile, messages, raw) in sizes.items():
        print(f"{n:6,} {profile:10,.0f} {messages:10,.0f} {profile / messages:8.4f} {raw:10,.0f} {profile / raw:8.4f}")


def measured(plan: Plan, n: int, seeds: Sequence[int]) -> tuple[float, float, float]:
    """Bytes of the profile, of the messages, and of raw rows."""
    found = [one(plan, n, seed) for seed in seeds]
    return mean(a for a, _, _ in found), mean(b for _, b, _ in found), mean(c for _, _, c in found)


def one(plan: Plan, n: int, seed: int) -> tuple[int, int, int]:
    values = events.values(n, seed)
    decoder: Decoder = plan.decoder()
    messages = events.messages(values)
    columns, rejects = decoder.decode(messages, None)
    assert not rejects
    (pane,) = summarise(plan, columns, messages)
    return len(codec.encode(pane)), sum(map(len, values)), raw_rows(plan, columns[0])


def raw_rows(plan: Plan, columns: Columns) -> int:
    """What rows would take: numbers as float64, the rest as codes, and the coordinates of the first samples."""
    coded = plan.streams[columns.stream].baseline.encode(columns)
    numbers = [numbers.values.tobytes() for numbers in coded.numbers]
    numeric = {numbers.index for numbers in coded.numbers}
    codes = [coded.codes[c].astype("<u1").tobytes() for c in range(len(coded.codes)) if c not in numeric]
    coordinates = [("captures", 0, int(row)) for row in columns.rows[:16]]
    return len(msgspec.msgpack.encode((*columns.stream, 0, 0, "b-0123456789abcdef", numbers, codes, coordinates)))


if __name__ == "__main__":
    main()
