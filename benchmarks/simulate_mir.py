"""How long the mid-infrared library of 56,787 samples and 1,700 channels takes, and how much memory.

Run `python benchmarks/simulate_mir.py`: the blocks alone, then the command with writing, as a folder and as plain
tables. Every case runs in a fresh process; prints the median time, the highest peak of memory, and the ratio of
both to the limits that the kit sets itself: 2 min and 1.5 GB.
"""

import argparse
import tempfile
from pathlib import Path

from fresh_process import COMMAND_IMPORTS, command_call, report

LIMITS = 120.0, 1.5  # s, GB
TARGETS = ("library", "library.parquet", "library.csv", "library.csv.gz")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--samples", type=int, default=56_787)
    parser.add_argument("--rounds", type=int, default=1)
    options = parser.parse_args()
    imports = "from spectrakit.simulate.library import mir_blocks"
    report("blocks", imports, [f"sum(map(len, mir_blocks({options.samples})))"] * options.rounds, *LIMITS)
    for target in TARGETS:
        with tempfile.TemporaryDirectory() as place:
            # A folder of blocks must not exist: each round writes another.
            folders = [Path(place) / str(number) for number in range(options.rounds)]
            for folder in folders:
                folder.mkdir()
            calls = [command_call("simulate", "mir", "-n", options.samples, "-o", f / target) for f in folders]
            report(f"command, {target}", COMMAND_IMPORTS, calls, *LIMITS)
