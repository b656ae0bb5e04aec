from tests.integration.fixtures import baselines, make_stack, stack

__all__ = ["baselines", "make_stack", "stack"]
