"""How long do 19,036 simulated soils of 2,100 channels take, and how much memory: simulation alone, and with writing?

Run `python benchmarks/simulate_visnir.py`. Every case runs in a process of its own; prints the median time, the highest
peak of memory, and the ratio of both to what the kit allows itself: 15 s and 1.5 GB.
"""

import argparse
import tempfile
from pathlib import Path

from fresh_process import COMMAND_IMPORTS, command_call, report

ALLOWED = 15.0, 1.5  # s, GB
SIMULATION = ("from spectrakit.simulate.soils import simulate_lucas", "simulate_lucas({n})")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--soils", type=int, default=19_036)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    n = arguments.soils
    report("simulation", SIMULATION[0], [SIMULATION[1].format(n=n)] * arguments.rounds, *ALLOWED)
    with tempfile.TemporaryDirectory() as folder:
        for ending in ("parquet", "csv", "csv.gz"):
            call = command_call("simulate", "lucas", "-n", n, "-o", Path(folder) / f"soils.{ending}")
            report(f"command, written as {ending}", COMMAND_IMPORTS, [call] * arguments.rounds, *ALLOWED)
