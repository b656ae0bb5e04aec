"""`stream-monitor sample`: the demonstration's world as files, for whoever has none of their own at hand."""

import gzip
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Annotated, Any, Final

import orjson
import typer

from stream_monitor.cli.console import console
from stream_monitor.cli.demo_acts import AS_TRAINED, START_MS, World
from stream_monitor.cli.demo_traffic import Loan, Service, Traffic, apply, label_of
from stream_monitor.detect.report import utc
from stream_monitor.errors import InputError

SECOND_MS: Final = 1_000
"""From one application to the next."""
TRAINING_S: Final = 86_400
"""A day of the past: windows of five minutes hold 300 rows, more than `window.events_min`."""
CAPTURES_S: Final = 43_200
"""The twelve hours after that; other people apply in the last four."""
SHIFT_S: Final = 28_800
OTHERS: Final = World(income_log=10.2, regions=(15, 55, 15, 15))
"""Incomes a third lower, more from the south."""


def sample(
    out: Annotated[Path, typer.Option(help="Folder to write train.parquet and captures.jsonl.gz into.")],
    seed: Annotated[int, typer.Option(help="Of all randomness: the same seed makes the same files.")] = 7,
) -> None:
    """Write training data and traffic that drifts, to try the other commands on."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        service, random = Traffic.seeded(seed, 1).live.service, Random(seed)
        rows = [_row(service, number, apply(random, AS_TRAINED)) for number in range(TRAINING_S)]
        _write_training(out / "train.parquet", rows)
        with gzip.GzipFile(out / "captures.jsonl.gz", "wb", mtime=0) as file:
            file.writelines(_captures(service, random))
    except OSError as error:
        raise InputError(f"--out {out}: cannot be written: {error.strerror}") from None
    said = console()
    said.print(f"{out / 'train.parquet'}: {TRAINING_S:,} rows, one a second until {utc(START_MS)}; columns {', '.join(rows[0])}")
    shift = utc(START_MS + SHIFT_S * SECOND_MS)
    said.print(f"{out / 'captures.jsonl.gz'}: {CAPTURES_S:,} events from then on; other people apply from {shift} on")


def _row(service: Service, number: int, loan: Loan) -> dict[str, Any]:
    said, time_ms = service.predict(loan.features, loan.gender), START_MS - (TRAINING_S - number) * SECOND_MS
    answer = {"predicted": said["label"], "probability": said["score"], "truth": label_of(loan.repaid)}
    return {"id": f"past-{number}", "served_at": time_ms, **loan.features, **answer}


def _write_training(path: Path, rows: list[dict[str, Any]]) -> None:
    import pyarrow as pa  # loads for half a second that the other commands need not wait for
    import pyarrow.parquet

    table = pa.Table.from_pylist(rows)
    times = table["served_at"].cast(pa.timestamp("ms", tz="UTC"))
    pyarrow.parquet.write_table(table.set_column(table.column_names.index("served_at"), "served_at", times), path)


def _captures(service: Service, random: Random) -> Iterator[bytes]:
    for number in range(CAPTURES_S):
        loan = apply(random, OTHERS if number >= SHIFT_S else AS_TRAINED)
        yield orjson.dumps(service.event(number, loan, START_MS + number * SECOND_MS)) + b"\n"
