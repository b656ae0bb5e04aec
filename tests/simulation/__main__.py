"""`python -m tests.simulation --seeds 0-4999 [--jobs 2] [--mutation NAME]`, or `--seed N` for one of them with its trace."""

import sys

from tests.simulation.command import main

sys.exit(main())
