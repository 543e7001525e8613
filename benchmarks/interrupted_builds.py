"""Whether the book's pipeline ends clean after it was interrupted, and leaves nothing behind when it is used for long.

Run `python benchmarks/interrupted_builds.py`. A book of one chapter is built 20 times, each time after a change of its
page: counted are the files and bytes below its folder, temporary files, its processes and the memory that a build
takes at most, beside those of a first build. Then the build of a changed chapter is interrupted (SIGINT) at random
moments, ten times, and made again; counted are the second builds that end with the right page and nothing half made.
Where a build had ended before its moment, another is drawn.
"""

import argparse
import itertools
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from datetime import date
from pathlib import Path

import numpy as np

from spectrakit import __version__

ROOT = Path(__file__).parents[1]
CHAPTER = "# %% [markdown]\n# # First\n\n# %%\nimport time\n\ntime.sleep(1)\nprint('the number is', {number})\n"


def write_book(root):
    """A book of one chapter with the configuration and assets of this one."""
    (root / "book").mkdir(parents=True)
    shutil.copyfile(ROOT / "_config.yml", root / "_config.yml")
    shutil.copytree(ROOT / "book" / "assets", root / "book" / "assets")
    (root / "_toc.yml").write_text("format: jb-book\nroot: intro\nchapters:\n  - file: 01_first\n")
    (root / "book" / "intro.md").write_text("# A book\n")
    (root / "requirements.txt").write_text("numpy\n")


def change(root, number):
    """Another number in the chapter, so that it has to run and its page has to be made again."""
    (root / "book" / "01_first.py").write_text(CHAPTER.format(number=number))


def step(name, root, **options):
    """A step of the pipeline on a book, as a process."""
    command = [sys.executable, "-m", "tools.site", name, "--root", str(root)]
    silent = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    return subprocess.Popen(command, cwd=ROOT, start_new_session=True, **silent, **options)


def build(root):
    """Sync and build; the exit code of the second, and the memory (MB) that it or a process of its took at most."""
    step("sync", root).wait()
    _, status, used = os.wait4(step("build", root).pid, 0)
    return os.waitstatus_to_exitcode(status), used.ru_maxrss // 1024


def held(root, temporary):
    """Files and bytes below a folder, temporary files, and processes that work for this book."""
    files = [path for path in root.rglob("*") if path.is_file()]
    processes = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True).stdout.count(str(root))
    return {
        "files": len(files),
        "bytes": sum(path.stat().st_size for path in files),
        "temporary": len(list(temporary.iterdir())),
        "processes": processes,
    }


def shown(root):
    """The number on the page, None where there is no page."""
    page = root / "build" / "html" / "01_first.html"
    found = re.search(r"the number is (\d+)", page.read_text(encoding="utf-8")) if page.exists() else None
    return int(found[1]) if found else None


def growth(root, temporary, numbers, n_builds):
    """What builds in a row add to what one leaves, by what is held."""
    states = []
    for number in itertools.islice(numbers, n_builds + 1):
        change(root, number)
        code, megabytes = build(root)
        assert code == 0 and shown(root) == number
        states.append(held(root, temporary) | {"megabytes": megabytes})
    return {name: states[-1][name] - states[0][name] for name in states[0]}


def clean_ends(root, temporary, numbers, n_interruptions):
    """How many of the builds after an interrupted one end with the right page and as many files as before."""
    change(root, next(numbers))
    step("sync", root).wait()
    begin = time.monotonic()
    step("build", root).wait()
    seconds, before = time.monotonic() - begin, held(root, temporary)
    clean, interrupted, generator = 0, 0, np.random.default_rng(0)
    while interrupted < n_interruptions:
        number = next(numbers)
        change(root, number)
        step("sync", root).wait()
        process = step("build", root)
        time.sleep(generator.uniform(0.1, 0.95) * seconds)
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGINT)
        if process.wait() == 0:
            continue
        interrupted += 1
        ends = build(root)[0] == 0 and shown(root) == number
        after = held(root, temporary)
        clean += ends and after["files"] == before["files"] and after["processes"] == 0
    return clean


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--builds", type=int, default=20)
    parser.add_argument("--interruptions", type=int, default=10)
    parser.add_argument("--output", type=Path, help="write the figures here, as JSON")
    options = parser.parse_args()
    figures = {"builds": options.builds, "interruptions": options.interruptions}
    with tempfile.TemporaryDirectory() as folder:
        root, temporary = Path(folder, "book-root"), Path(folder, "tmp")
        temporary.mkdir()
        os.environ["TMPDIR"] = str(temporary)
        write_book(root)
        numbers = itertools.count(100)  # of three digits, so that all pages have the same length
        figures["growth"] = growth(root, temporary, numbers, options.builds)
        print(f"{options.builds} builds: growth of {figures['growth']}", flush=True)
        figures["clean"] = int(clean_ends(root, temporary, numbers, options.interruptions))
        print(f"{figures['clean']} of {options.interruptions} interrupted builds ended clean on the next call")
    if options.output:
        record = {"what": "benchmarks/interrupted_builds.py", "date": f"{date.today()}", "version": __version__}
        options.output.write_text(json.dumps(record | {"figures": figures}, indent=1) + "\n")
