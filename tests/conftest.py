"""Fixtures of all tests come from plugins, one per matter."""

pytest_plugins = ["tests.kafka.fixtures"]
