"""Fixtures of all tests come from plugins, one per matter."""

from hypothesis import settings

pytest_plugins = ["tests.kafka.fixtures"]

settings.register_profile("house", deadline=None)  # how long one example takes is the machine's affair, and the machine is often busy
settings.load_profile("house")
