"""A submission run apart: no network, no sight of other files, limits of time, memory and output."""

import contextlib
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tools.site.layout import BookError

MAX_SECONDS, MAX_BYTES, MAX_OUTPUT = 300, 4 << 30, 10 << 20
_RUNNER = Path(__file__).with_name("runner.py")
_NO_SANDBOX = (
    "Submissions are other people's code. Bubblewrap keeps it from your files and the network, and does not run here: "
    "install it (`bwrap`; Linux only), or add --without-isolation to run them with limits alone."
)


def sandbox(root, hidden):
    """Start of a command that runs what follows in a sandbox: it reads the system and the kit, and nothing else.

    root : folder of the kit; hidden : folders that are empty inside, such as the submissions
    Raises BookError where bubblewrap is not there or does not run.
    """
    program = shutil.which("bwrap")
    mounts = ["--ro-bind", "/", "/", "--tmpfs", "/tmp", "--tmpfs", str(Path.home())]
    for path in {str(root), sys.prefix, sys.base_prefix}:
        mounts += ["--ro-bind", path, path]
    mounts += [part for path in hidden if path.exists() for part in ("--tmpfs", str(path))]
    command = [program, *mounts, "--dev", "/dev", "--proc", "/proc", "--unshare-all", "--die-with-parent"]
    command += ["--new-session", "--chdir", "/tmp"]
    if program is None or subprocess.run([*command, "true"], capture_output=True).returncode:
        raise BookError(_NO_SANDBOX)
    return command


def run_apart(cells, root, isolation=(), seconds=MAX_SECONDS):
    """Run the code cells of a submission in a process of its own.

    cells : list of code; root : folder of the kit; isolation : start of the command, as of `sandbox`, or nothing
    seconds : limit of time
    Returns {'answers': {name: value}, 'errors': [text, ...]}: those of the last cell that ended in time.
    """
    with tempfile.TemporaryDirectory() as temporary:
        code = Path(temporary, "cells.json")
        code.write_text(json.dumps(cells), encoding="utf-8")
        inside = Path("/tmp/cells.json") if isolation else code
        mounted = [*isolation, "--ro-bind", str(code), str(inside)] if isolation else []
        command = [*mounted, sys.executable, str(_RUNNER), str(inside)]
        with open(Path(temporary, "report"), "w+b") as report:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=report,
                stderr=subprocess.DEVNULL,
                cwd=temporary,
                env=_environment(root, "/tmp" if isolation else temporary),
                preexec_fn=lambda: _limit(seconds),
                start_new_session=True,
            )
            late = _wait(process, seconds)
            report.seek(0)
            outcome = _last_line(report.read(MAX_OUTPUT))
    if late:
        outcome["errors"].append(f"stopped after {seconds} seconds")
    elif process.returncode:
        outcome["errors"].append("ended before its last cell: out of memory, time or output, or by its own will")
    return outcome


def _environment(root, home):
    kept = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
    kept |= {"PYTHONPATH": str(root), "HOME": home, "TMPDIR": home, "MPLBACKEND": "agg", "OMP_NUM_THREADS": "1"}
    return kept | {"IPYTHONDIR": f"{home}/ipython", "MPLCONFIGDIR": home, "SPECTRAKIT_RUNS": f"{home}/runs"}


def _limit(seconds):
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
    resource.setrlimit(resource.RLIMIT_AS, (MAX_BYTES, MAX_BYTES))
    resource.setrlimit(resource.RLIMIT_FSIZE, (MAX_OUTPUT, MAX_OUTPUT))


def _wait(process, seconds):
    """Wait for a process and end it and its children; returns whether it took too long."""
    try:
        process.wait(seconds)
        return False
    except subprocess.TimeoutExpired:
        return True
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, 9)
        process.wait()


def _last_line(report):
    """The last whole line of a report that has the form of one. The submission could write there, too."""
    for line in reversed(report.splitlines()):
        try:
            outcome = json.loads(line)
            return {"answers": dict(outcome["answers"]), "errors": [str(error) for error in outcome["errors"]][:20]}
        except (ValueError, TypeError, KeyError):
            continue
    return {"answers": {}, "errors": []}
