"""How long does the mid-infrared library of 56,787 samples and 1,700 channels take, and how much memory?

Run `python benchmarks/simulate_mir.py`: the blocks alone, then the command with writing, as a folder and as plain
tables. Every case runs in a process of its own; prints the median time, the highest peak of memory, and the ratio of
both to what the kit allows itself: 2 min and 1.5 GB.
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median

ALLOWED_SECONDS, ALLOWED_GB = 120.0, 1.5
MEASURED = """
import resource, time
{imports}
start = time.perf_counter()
{call}
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
print(time.perf_counter() - start, peak)
"""
SIMULATION = ("from spectrakit.simulate.library import mir_blocks", "sum(len(block) for block in mir_blocks({n}))")
COMMAND = (
    "from contextlib import redirect_stdout; from io import StringIO; from spectrakit.cli import app",
    "with redirect_stdout(StringIO()):\n"
    "    app(['simulate', 'mir', '-n', '{n}', '-o', r'{file}'], standalone_mode=False)",
)
TARGETS = {"a folder": "library", "parquet": "library.parquet", "csv": "library.csv", "csv.gz": "library.csv.gz"}


def seconds_and_gigabytes(imports, call):
    """Seconds that a call takes in a fresh process, imports left out, and the peak of its memory in GB."""
    script = MEASURED.format(imports=imports, call=call)
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return tuple(float(value) for value in run.stdout.split())


def report(words, imports, calls):
    """Print time and memory of a case, one call a round."""
    found = [seconds_and_gigabytes(imports, call) for call in calls]
    elapsed, peak = median(seconds for seconds, _ in found), max(memory for _, memory in found)
    shares = f"{elapsed / ALLOWED_SECONDS:.2f} and {peak / ALLOWED_GB:.2f} of what is allowed"
    print(f"{words}: {elapsed:.1f} s, {peak:.2f} GB; {shares}", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--samples", type=int, default=56_787)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--targets", nargs="*", choices=TARGETS, default=list(TARGETS))
    arguments = parser.parse_args()
    n = arguments.samples
    report("simulation in blocks", SIMULATION[0], [SIMULATION[1].format(n=n)] * arguments.rounds)
    for words in arguments.targets:
        with tempfile.TemporaryDirectory() as place:
            # A folder is only ever made anew: each round has its own.
            files = [Path(place) / str(number) for number in range(arguments.rounds)]
            for file in files:
                file.mkdir()
            calls = [COMMAND[1].format(n=n, file=file / TARGETS[words]) for file in files]
            report(f"command, written as {words}", COMMAND[0], calls)
