"""Time and memory of a call in a fresh process: shared by the benchmarks of commands."""

import subprocess
import sys
from statistics import median

MEASURED = """
import resource, time
{imports}
start = time.perf_counter()
{call}
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
print(time.perf_counter() - start, peak)
"""
COMMAND_IMPORTS = "from contextlib import redirect_stdout; from io import StringIO; from spectrakit.cli import app"


def command_call(*arguments):
    """The call of a command of the kit, without what it prints; to be run with `COMMAND_IMPORTS`."""
    return f"with redirect_stdout(StringIO()):\n    app({list(map(str, arguments))}, standalone_mode=False)"


def seconds_and_gigabytes(imports, call, place=None):
    """Seconds that a call takes in a fresh process, imports left out, and the peak of its memory in GB.

    place : folder that the process runs in
    """
    script = MEASURED.format(imports=imports, call=call)
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=place)
    return tuple(float(value) for value in run.stdout.split())


def report(words, imports, calls, max_seconds, max_gb):
    """Print median time and highest memory of a case, one call a round, and their ratios to the limits."""
    result = [seconds_and_gigabytes(imports, call) for call in calls]
    elapsed, peak = median(seconds for seconds, _ in result), max(memory for _, memory in result)
    shares = f"{elapsed / max_seconds:.2f} and {peak / max_gb:.2f} of the limits"
    print(f"{words}: {elapsed:.1f} s, {peak:.2f} GB; {shares}", flush=True)
