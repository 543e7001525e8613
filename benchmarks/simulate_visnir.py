"""How long do 19,036 simulated soils of 2,100 channels take, and how much memory: simulation alone, and with writing?

Run `python benchmarks/simulate_visnir.py`. Every case runs in a process of its own; prints the median time, the highest
peak of memory, and the ratio of both to what the kit allows itself: 15 s and 1.5 GB.
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median

ALLOWED_SECONDS, ALLOWED_GB = 15.0, 1.5
MEASURED = """
import resource, time
{imports}
start = time.perf_counter()
{call}
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
print(time.perf_counter() - start, peak)
"""
SIMULATION = ("from spectrakit.simulate.lucas import simulate_lucas", "simulate_lucas({n})")
COMMAND = (
    "from contextlib import redirect_stdout; from io import StringIO; from spectrakit.cli import app",
    "with redirect_stdout(StringIO()):\n"
    "    app(['simulate', 'lucas', '-n', '{n}', '-o', r'{file}'], standalone_mode=False)",
)


def seconds_and_gigabytes(imports, call):
    """Seconds that a call takes in a fresh process, imports left out, and the peak of its memory in GB."""
    script = MEASURED.format(imports=imports, call=call)
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return tuple(float(value) for value in run.stdout.split())


def report(words, imports, call, n_rounds):
    """Print time and memory of a case over some rounds."""
    found = [seconds_and_gigabytes(imports, call) for _ in range(n_rounds)]
    elapsed, peak = median(seconds for seconds, _ in found), max(memory for _, memory in found)
    shares = f"{elapsed / ALLOWED_SECONDS:.2f} and {peak / ALLOWED_GB:.2f} of what is allowed"
    print(f"{words}: {elapsed:.1f} s, {peak:.2f} GB; {shares}", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--soils", type=int, default=19_036)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    n = arguments.soils
    report("simulation", SIMULATION[0], SIMULATION[1].format(n=n), arguments.rounds)
    with tempfile.TemporaryDirectory() as folder:
        for ending in ("parquet", "csv", "csv.gz"):
            call = COMMAND[1].format(n=n, file=Path(folder) / f"soils.{ending}")
            report(f"command, written as {ending}", COMMAND[0], call, arguments.rounds)
