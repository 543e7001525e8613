"""How fast is the LIBS simulator, and what does the lattice of line profiles save against working out each shot's own?

Run `python benchmarks/simulate_libs.py`. Prints the time of the whole experiment and of one survey spectrum, each in a
process of its own that has nothing worked out beforehand; then both ways to the optical depth side by side on the same
shots, with the largest difference; then where the time of the experiment goes.
"""

import argparse
import cProfile
import pstats
import subprocess
import sys
import time
from statistics import median

import numpy as np

from spectrakit.simulate import libs

EXPERIMENT = "libs.simulate_libs()"
SURVEY = "libs.measure(libs.blank_soils(libs.spiked_soils(), 'ca'), survey=True)"
STEPS = {
    "line profiles on the lattice": "line_profiles",
    "optical depth of the lines, profiles included": "line_optical_depth",
    "populations and line strengths": "line_depths",
    "continuum": "continuum_depth",
    "radiance, all of the above included": "radiance",
    "camera": "expose",
}


def cold_seconds(call):
    """Seconds that a call takes in a fresh process, imports left out."""
    setup = "import time; from spectrakit.simulate import libs"
    script = f"{setup}; start = time.perf_counter(); {call}; print(time.perf_counter() - start)"
    return float(subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout)


def seconds(function):
    """Seconds that a call takes, and what it returns."""
    start = time.perf_counter()
    result = function()
    return time.perf_counter() - start, result


def shots(n_shots):
    """Plasmas of shots on the reference soil, scattered as the settings say of shots and unscaled."""
    generator = np.random.default_rng(0)
    composition = libs.spiked_soils().composition_ppm.iloc[np.zeros(n_shots, int)]
    return libs.shots_plasma(composition, libs.draw_scatter("shot", n_shots, generator))


def exact_depth(part, plasma):
    """Optical depth of the lines (n, n_grid) by the exact path, a few plasmas at a time as it takes them."""
    step = libs.MAX_EXACT
    return np.concatenate([part.line_optical_depth(plasma[i : i + step]) for i in range(0, len(plasma), step)])


def compare_paths(n_shots, n_rounds):
    """Print, for each window, the time of both paths in turn on the same shots, and how far they lie apart."""
    plasma = shots(n_shots)
    print(f"\nlattice against exact profiles, {n_shots} shots, median of {n_rounds} rounds")
    for target, axis in libs.window_axes().items():
        times = {"empty lattice": [], "filled lattice": [], "exact": []}
        for _ in range(n_rounds):
            part = libs.SpectralRange(axis[0] - 0.3, axis[-1] + 0.3)
            for name in ("empty lattice", "filled lattice"):
                elapsed, lattice = seconds(lambda part=part: part.line_optical_depth(plasma))
                times[name].append(elapsed)
            elapsed, exact = seconds(lambda part=part: exact_depth(part, plasma))
            times["exact"].append(elapsed)
        apart = np.abs(lattice - exact).max() / exact.max()
        empty, filled, one_by_one = (median(values) for values in times.values())
        print(
            f"  {target}: exact {one_by_one:.2f} s, lattice {empty:.2f} s from empty ({one_by_one / empty:.1f} times as"
            f" fast), {filled:.3f} s once filled ({one_by_one / filled:.0f} times); largest difference"
            f" {apart:.2%} of the peak"
        )


def where_the_time_goes():
    """Print the share of each step in a first experiment, when the lattice is empty; a step holds what it calls."""
    profiler = cProfile.Profile()
    profiler.runcall(libs.simulate_libs)
    stats = pstats.Stats(profiler)
    times = {name: values[3] for (_, _, name), values in stats.stats.items()}
    print(f"\nwhere the time of the experiment goes (under the profiler, {stats.total_tt:.2f} s)")
    for words, name in STEPS.items():
        print(f"  {times[name] / stats.total_tt:6.1%}  {words}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shots", type=int, default=300, help="shots that both paths work out")
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    for words, call in (("experiment, 24 soils x 100 shots, three windows", EXPERIMENT), ("one survey", SURVEY)):
        print(f"{words}: {median(cold_seconds(call) for _ in range(arguments.rounds)):.2f} s")
    compare_paths(arguments.shots, arguments.rounds)
    where_the_time_goes()
