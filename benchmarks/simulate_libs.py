"""How fast the LIBS simulator is, and how much faster with a lattice of line profiles than with profiles of each shot.

Run `python benchmarks/simulate_libs.py`. Prints the time of the whole experiment and of one survey spectrum, each in a
fresh process in which nothing is computed beforehand; then both ways to the optical depth in turn on the same shots,
with the largest difference.
"""

import argparse
import time
from statistics import median

import numpy as np
from fresh_process import seconds_and_gigabytes

from spectrakit.simulate import libs

CALLS = {
    "experiment, 24 soils x 100 shots, three windows": "libs.simulate_libs()",
    "one survey": "libs.measure(libs.blank_soils(libs.spiked_soils(), 'ca'), survey=True)",
}


def shots(n_shots):
    """Plasmas of shots on the reference soil, with the scatter of shots that the settings have."""
    offsets = libs.draw_scatter("shot", n_shots, np.random.default_rng(0))
    composition = libs.spiked_soils().composition_ppm.iloc[np.zeros(n_shots, int)]
    return libs.shots_plasma(composition, offsets)


def seconds(function):
    """Seconds that a call takes, and what it returns."""
    start = time.perf_counter()
    result = function()
    return time.perf_counter() - start, result


def compare_paths(axis, plasma, n_rounds):
    """Median seconds of the exact path, of an empty and of a filled lattice, and the largest difference of depths."""
    times = []
    for _ in range(n_rounds):
        part = libs.SpectralRange(axis[0] - 0.3, axis[-1] + 0.3)
        empty, _ = seconds(lambda part=part: part.line_optical_depth(plasma))
        filled, lattice = seconds(lambda part=part: part.line_optical_depth(plasma))
        starts = range(0, len(plasma), libs.MAX_EXACT)
        blocks = [plasma[start : start + libs.MAX_EXACT] for start in starts]
        one_by_one, exact = seconds(lambda part=part, blocks=blocks: [part.line_optical_depth(b) for b in blocks])
        times.append((one_by_one, empty, filled))
    exact = np.concatenate(exact)
    return np.median(times, axis=0), np.abs(lattice - exact).max() / exact.max()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shots", type=int, default=300, help="shots of the comparison")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    for words, call in CALLS.items():
        laps = [seconds_and_gigabytes("from spectrakit.simulate import libs", call)[0] for _ in range(options.rounds)]
        print(f"{words}: {median(laps):.2f} s", flush=True)
    for target, axis in libs.window_axes().items():
        (exact, empty, filled), difference = compare_paths(axis, shots(options.shots), options.rounds)
        print(
            f"{target}: exact {exact:.2f} s; lattice from empty {empty:.2f} s, ratio {exact / empty:.1f}; filled"
            f" {filled:.3f} s, ratio {exact / filled:.0f}; largest difference {difference:.2%} of the peak"
        )
