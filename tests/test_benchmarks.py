import re
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[1] / "benchmarks"
# Options that make a benchmark small, and what it prints; those that stay long show their options alone.
SMALL = {
    "folds": ("--single 1 --rounds 1 --epochs 2", r"ratio \d"),
    "fuzz_readers": ("--minutes 0.05", r"\d executions, 0 kinds of fault"),
    "grading": ("--help", "--hostile"),
    "impute": ("--help", "--rows"),
    "interrupted_builds": ("--help", "--interruptions"),
    "pretraining": ("--soils 40 --epochs 2", r"whole fits: \d"),
    "same_numbers": ("--help", "--python"),
    "simulate_libs": ("--help", "--shots"),
    "site_in_browser": ("--help", "--output"),
    "simulate_mir": ("--help", "--samples"),
    "stopped_runs": ("--kills 1 --commands simulate", "simulate: 1 of 1 kills survived"),
    "simulate_visnir": ("--soils 20 --rounds 1", r"0\.\d\d and 0\.\d\d of the limits"),
    "tested_input": ("--help", "--output"),
}


@pytest.mark.parametrize("name", SMALL)
def test_a_benchmark_prints_its_ratio(name):
    options, printed = SMALL[name]
    command = [sys.executable, FOLDER / f"{name}.py", *options.split()]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    assert re.search(printed, run.stdout)


def test_all_benchmarks_are_tried():
    assert {path.stem for path in FOLDER.glob("*.py")} - {"fresh_process"} == set(SMALL)
