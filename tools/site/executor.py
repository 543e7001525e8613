"""Runs the chapters whose inputs have changed since they last ran."""

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tools.site.layout import BookError, Layout, files_below, hash_files
from tools.site.pairs import notebook_text

CELL_TIMEOUT_SECONDS = 3600
_DAY = 86_400


def execute_chapters(layout: Layout):
    """Run every chapter whose key changed, several at a time; raises BookError naming those that failed."""
    stale = [chapter for chapter in layout.chapters() if not is_current(layout, chapter)]
    if not stale:
        return
    print(f"Running {len(stale)} of {len(layout.chapters())} chapters", flush=True)
    with ThreadPoolExecutor(min(len(stale), os.cpu_count() or 1)) as pool:
        failed = [name for name in pool.map(lambda chapter: _run_and_report(layout, chapter), stale) if name]
    if failed:
        raise BookError(f"{len(failed)} of {len(stale)} chapters failed: {', '.join(failed)}")


def is_current(layout, chapter):
    """Whether the executed notebook of a chapter was made from the present inputs."""
    notebook, key = _executed_paths(layout, chapter)
    return notebook.exists() and key.exists() and key.read_text() == chapter_key(layout, chapter)


def chapter_key(layout, chapter):
    """Hash of everything that a chapter's outputs depend on: source, package, data, lock, Python, environment."""
    read = [chapter, layout.root / "requirements.txt"]
    read += files_below(layout.root / "spectrakit") + files_below(layout.root / "data")
    parts = [
        hash_files(layout.root, [path for path in read if path.exists()]),
        os.environ.get("SPECTRAKIT_PROFILE", "quick"),
        _measured_data_state(layout),
        "{}.{}".format(*sys.version_info[:2]),
    ]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def run_chapter(layout, chapter):
    """Run one chapter with nbmake unless it is current; returns nbmake's report if it failed, else None.

    The notebook runs in a temporary folder and is moved once it has passed, its key last, so that an interrupted
    run leaves nothing that looks like a complete one.
    """
    if is_current(layout, chapter):
        return None
    key = chapter_key(layout, chapter)
    notebook, key_path = _executed_paths(layout, chapter)
    layout.executed.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=layout.build, prefix="running-") as scratch:
        running = Path(scratch) / notebook.name
        running.write_text(notebook_text(chapter.read_text(encoding="utf-8")), encoding="utf-8", newline="\n")
        run = _nbmake(layout, running)
        if run.returncode != 0:
            return run.stdout
        key_path.unlink(missing_ok=True)
        os.replace(running, notebook)
        key_path.write_text(key)
    return None


def forget_removed_chapters(layout):
    """Remove executed notebooks whose chapter is gone, and what runs that were killed (SIGKILL) left a day ago."""
    known = {chapter.stem for chapter in layout.chapters()}
    for path in layout.executed.glob("*"):
        if path.stem not in known:
            path.unlink()
    for path in layout.build.glob("running-*"):
        if time.time() - path.stat().st_mtime > _DAY:
            shutil.rmtree(path)


def _run_and_report(layout, chapter):
    report = run_chapter(layout, chapter)
    print(f"  {chapter.stem}: {'ran' if report is None else 'FAILED'}", flush=True)
    if report is not None:
        print(report, flush=True)
        return chapter.stem
    return None


def _nbmake(layout, notebook):
    command = [sys.executable, "-m", "pytest", "--nbmake", "--overwrite"]
    command += [f"--nbmake-timeout={CELL_TIMEOUT_SECONDS}", "-p", "no:cacheprovider", "-o", "addopts="]
    command += ["-o", "filterwarnings=", f"--rootdir={notebook.parent}", str(notebook)]
    return subprocess.run(
        command, env=_environment(layout), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def _environment(layout):
    """Environment of a chapter's kernel: this Python, this checkout, one thread, folders by absolute path.

    Chapters that need the same run share its parts.
    """
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    environment["PYTHONPATH"] = os.pathsep.join([str(layout.root), *filter(None, [os.environ.get("PYTHONPATH")])])
    environment |= {"OMP_NUM_THREADS": "1", "JUPYTER_PREFER_ENV_PATH": "1", "PYDEVD_DISABLE_FILE_VALIDATION": "1"}
    environment["SPECTRAKIT_RUNS"] = str(layout.build / "runs")
    measured = _measured_data(layout)
    if measured is not None:
        environment["SPECTRAKIT_DATA"] = str(measured)
    return environment


def _measured_data(layout):
    named = os.environ.get("SPECTRAKIT_DATA")
    return (layout.root / named).resolve() if named else None


def _measured_data_state(layout):
    measured = _measured_data(layout)
    if measured is None:
        return ""
    if not measured.is_dir():
        raise BookError(f"SPECTRAKIT_DATA names {measured}, which is not a folder.")
    states = [(path, path.stat()) for path in sorted(files_below(measured))]
    return "\n".join([str(measured), *(f"{path} {state.st_size} {state.st_mtime_ns}" for path, state in states)])


def _executed_paths(layout, chapter):
    notebook = layout.executed / f"{chapter.stem}.ipynb"
    return notebook, notebook.with_suffix(".key")
