"""The lab in which each conformance test runs: once in memory, once on real Kafka."""

from collections.abc import Iterator

import pytest

from tests.conformance.lab import Lab, MemoryLab


@pytest.fixture(params=["memory", pytest.param("kafka", marks=pytest.mark.kafka)])
def lab(request: pytest.FixtureRequest) -> Iterator[Lab]:
    made: Lab = MemoryLab() if request.param == "memory" else _kafka_lab(request)
    yield made
    made.close()


def _kafka_lab(request: pytest.FixtureRequest) -> Lab:
    from tests.conformance.kafka_lab import KafkaLab

    return KafkaLab(request.getfixturevalue("kafka_bootstrap"))
