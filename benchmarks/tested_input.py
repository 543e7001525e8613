"""How many of the files that users have, and of the broken ones, get the right answer.

Run `python benchmarks/tested_input.py`. It runs the tests of the cases and of the corpus, and counts.
"""

import argparse
import json
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory

from spectrakit import __version__

ROOT = Path(__file__).parents[1]
TESTS = {
    "cases": ("tests/test_cases.py", "test_a_case_is_read_or_refused_as_is_right"),
    "corpus": ("tests/test_badinput.py", "test_broken_input_gets_the_answer_that_was_written_down"),
}


def counted(file, function):
    """How many files a test tried, and how many of them got the right answer."""
    with TemporaryDirectory() as folder:
        report = Path(folder, "report.xml")
        command = [sys.executable, "-m", "pytest", "-q", file, "-k", function, f"--junitxml={report}"]
        subprocess.run(command, cwd=ROOT, stdout=subprocess.DEVNULL, check=False)
        cases = list(ElementTree.parse(report).iter("testcase"))
    skipped = sum(case.find("skipped") is not None for case in cases)
    wrong = sum(case.find("failure") is not None or case.find("error") is not None for case in cases)
    return {"files": len(cases) - skipped, "right": len(cases) - skipped - wrong}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, help="write the figures here, as JSON")
    options = parser.parse_args()
    figures = {name: counted(*test) for name, test in TESTS.items()}
    for name, figure in figures.items():
        print(f"{name}: {figure['right']} of {figure['files']} files get the right answer")
    if options.output:
        record = {"what": "benchmarks/tested_input.py", "date": f"{date.today()}", "version": __version__}
        options.output.write_text(json.dumps(record | {"figures": figures}, indent=1) + "\n")
