"""Whether sixty notebooks, ten of them hostile, are graded as they deserve, each in its sandbox.

Run `python benchmarks/grading.py`; it needs bubblewrap. The notebooks answer the exercises of chapter 2 rightly or in
part; the hostile ones hang, crash, delete files, print 100 MB, ask the network or forge their check. Counted are those
that get the points that their answers deserve.
"""

import argparse
import json
import socket
import tempfile
import time
from datetime import date
from itertools import cycle, islice
from pathlib import Path

from spectrakit import __version__
from tools.grading import assignment_notebook, grade
from tools.site.layout import Layout

# Code after the first answer of a hostile notebook, and the points that it deserves with the third answer right.
HOSTILE = {
    "hangs": ("66025\nimport time\ntime.sleep(1000)", 0),
    "crashes": ("66025\nimport os\nos._exit(3)", 0),
    "deletes": ("66025\nimport pathlib\nfor path in pathlib.Path({folder!r}).glob('*'):\n    path.unlink()", 2),
    "prints": ("66025\nfor _ in range(100):\n    print('x' * 1_000_000)", 2),
    "asks": ("66025\nimport socket\nsocket.create_connection(('127.0.0.1', {port}), 2)", 2),
    "forges": ("1\nfrom spectrakit import teaching\nteaching.check = print", 1),
}
# Answers to exercises 2.1 to 2.3, which do not depend on the draw, and their points.
HONEST = [(("66025", "3.0956", "1.0"), 3), (("66025", "3.0956", "None"), 2), (("1", "-3.0956", "1.0"), 1)]


def submission(text, **answers):
    """The notebook of an assignment with answers written into it; code may follow an answer."""
    notebook = json.loads(text)
    for cell in notebook["cells"]:
        source = "".join(cell["source"])
        for name, answer in answers.items():
            source = source.replace(f"{name} = None", f"{name} = {answer}")
        cell["source"] = source
    return json.dumps(notebook)


def write_class(folder, text, n_honest, n_hostile, port):
    """Write the notebooks of a class; returns the points that each deserves, {name: points}."""
    deserved = {}
    for number, (name, (code, points)) in enumerate(islice(cycle(HOSTILE.items()), n_hostile)):
        code = code.format(folder=str(folder), port=port)
        deserved[f"{name}{number}"] = points
        (folder / f"{name}{number}.ipynb").write_text(submission(text, answer_2_1=code, answer_2_3="1.0"))
    for number, (answers, points) in enumerate(islice(cycle(HONEST), n_honest)):
        named = {f"answer_2_{place}": answer for place, answer in enumerate(answers, start=1)}
        deserved[f"student{number}"] = points
        (folder / f"student{number}.ipynb").write_text(submission(text, **named))
    return deserved


def graded_class(folder, n_honest, n_hostile, seconds):
    """Write and grade a class: the rows of its table by name, and the points that each deserves."""
    layout = Layout(Path(__file__).parents[1])
    with socket.create_server(("127.0.0.1", 0)) as server:  # outside of the sandboxes
        text = assignment_notebook(layout, 2, 7)
        deserved = write_class(folder, text, n_honest, n_hostile, server.getsockname()[1])
        rows = grade(layout, folder, 2, 7, seconds=seconds)
    return {row["student"]: row for row in rows}, deserved


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--submissions", type=int, default=60)
    parser.add_argument("--hostile", type=int, default=10, help="of them")
    parser.add_argument("--output", type=Path, help="write the figures here, as JSON")
    options = parser.parse_args()
    begin = time.monotonic()
    with tempfile.TemporaryDirectory() as temporary:
        honest = options.submissions - options.hostile
        rows, deserved = graded_class(Path(temporary), honest, options.hostile, seconds=60)
        pages = [path.stat().st_size for path in Path(temporary, "graded").glob("*.md")]
    right = sum(rows[name]["points"] == points for name, points in deserved.items())
    figures = {"submissions": len(deserved), "hostile": options.hostile, "right": right}
    figures |= {"seconds": round(time.monotonic() - begin), "largest_feedback_bytes": max(pages)}
    print(f"{right} of {len(deserved)} graded as they deserve, in {figures['seconds']} s")
    if options.output:
        record = {"what": "benchmarks/grading.py", "date": f"{date.today()}", "version": __version__}
        options.output.write_text(json.dumps(record | {"figures": figures}, indent=1) + "\n")
