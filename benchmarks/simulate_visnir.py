"""How long 19,036 simulated soils of 2,100 channels take, and how much memory: simulation alone, and with writing.

Run `python benchmarks/simulate_visnir.py`. Every case runs in a fresh process; prints the median time, the highest
peak of memory, and the ratio of both to the limits that the kit sets itself: 15 s and 1.5 GB.
"""

import argparse
import tempfile
from pathlib import Path

from fresh_process import COMMAND_IMPORTS, command_call, report

LIMITS = 15.0, 1.5  # s, GB


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--soils", type=int, default=19_036)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    imports = "from spectrakit.simulate.soils import simulate_lucas"
    report("simulation", imports, [f"simulate_lucas({options.soils})"] * options.rounds, *LIMITS)
    with tempfile.TemporaryDirectory() as folder:
        for name in ("soils.parquet", "soils.csv", "soils.csv.gz"):
            call = command_call("simulate", "lucas", "-n", options.soils, "-o", Path(folder) / name)
            report(f"command, {name}", COMMAND_IMPORTS, [call] * options.rounds, *LIMITS)
