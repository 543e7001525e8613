"""How long does the mid-infrared library of 56,787 samples and 1,700 channels take, and how much memory?

Run `python benchmarks/simulate_mir.py`: the blocks alone, then the command with writing, as a folder and as plain
tables. Every case runs in a process of its own; prints the median time, the highest peak of memory, and the ratio of
both to what the kit allows itself: 2 min and 1.5 GB.
"""

import argparse
import tempfile
from pathlib import Path

from fresh_process import COMMAND_IMPORTS, command_call, report

ALLOWED = 120.0, 1.5  # s, GB
SIMULATION = (
    "from spectrakit.simulate.library import mir_blocks",
    "sum(len(block) for block in mir_blocks({n}))",
)
TARGETS = {"a folder": "library", "parquet": "library.parquet", "csv": "library.csv", "csv.gz": "library.csv.gz"}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--samples", type=int, default=56_787)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--targets", nargs="*", choices=TARGETS, default=list(TARGETS))
    arguments = parser.parse_args()
    n = arguments.samples
    report("simulation in blocks", SIMULATION[0], [SIMULATION[1].format(n=n)] * arguments.rounds, *ALLOWED)
    for words in arguments.targets:
        with tempfile.TemporaryDirectory() as place:
            # A folder is only ever made anew: each round has its own.
            files = [Path(place) / str(number) for number in range(arguments.rounds)]
            for file in files:
                file.mkdir()
            calls = [command_call("simulate", "mir", "-n", n, "-o", file / TARGETS[words]) for file in files]
            report(f"command, written as {words}", COMMAND_IMPORTS, calls, *ALLOWED)
