"""`stream-monitor sample`: the same files for the same seed, that the other commands take."""

import gzip
from pathlib import Path

import orjson
import pyarrow.parquet
import pytest

from stream_monitor.cli.sample import CAPTURES_S, SECOND_MS, SHIFT_S, TRAINING_S, sample
from stream_monitor.errors import InputError


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("sample") / "new"
    sample(made, seed=7)
    return made


def test_the_training_data_end_where_the_captures_begin(folder: Path) -> None:
    table = pyarrow.parquet.read_table(folder / "train.parquet")
    events = [orjson.loads(line) for line in gzip.decompress((folder / "captures.jsonl.gz").read_bytes()).splitlines()]
    assert (table.num_rows, len(events)) == (TRAINING_S, CAPTURES_S)
    assert events[0]["time"] - table["served_at"][-1].as_py().timestamp() * 1_000 == SECOND_MS
    assert set(events[0]["features"]) == set(table.column_names) - {"id", "served_at", "predicted", "probability", "truth"}


def test_other_people_apply_from_the_shift_on(folder: Path) -> None:
    events = [orjson.loads(line) for line in gzip.decompress((folder / "captures.jsonl.gz").read_bytes()).splitlines()]
    from_south = [event["features"]["region"] == "south" for event in events]
    assert sum(from_south[:SHIFT_S]) / SHIFT_S == pytest.approx(0.30, abs=0.01)
    assert sum(from_south[SHIFT_S:]) / (CAPTURES_S - SHIFT_S) == pytest.approx(0.55, abs=0.02)


def test_every_capture_says_how_long_its_call_took(folder: Path) -> None:
    """So that a newcomer's page has operations."""
    events = [orjson.loads(line) for line in gzip.decompress((folder / "captures.jsonl.gz").read_bytes()).splitlines()]
    assert min(event["latency_ms"] for event in events) > 0
    assert {event["status"] for event in events} == {"ok"}


def test_a_seed_decides_every_byte(folder: Path, tmp_path: Path) -> None:
    sample(tmp_path / "again", seed=7)
    sample(tmp_path / "other", seed=8)
    for name in ("train.parquet", "captures.jsonl.gz"):
        again, other = ((tmp_path / each / name).read_bytes() for each in ("again", "other"))
        assert again == (folder / name).read_bytes()
        assert other != again


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=r"--out .*file: cannot be written"):
        sample(tmp_path / "file", seed=7)
