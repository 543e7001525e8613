"""Whether long commands that are killed at random moments go on to the result of a run that nobody stopped.

Run `python benchmarks/stopped_runs.py`. Each command runs once in peace, and then, at each of the moments, is killed
(SIGKILL) and started again in the same folder. A run that had ended before its moment is not counted; another moment
is drawn. Counted are the runs that end with the same result, byte for byte, and leave nothing behind but it. Nine of
ten moments lie in the last three quarters of a run, where its parts are computed.
"""

import argparse
import hashlib
import json
import signal
import subprocess
import sys
import tempfile
import time
from datetime import date
from pathlib import Path

import numpy as np

from spectrakit import __version__

COMMANDS = {
    "simulate": "simulate mir -o out.parquet -n 300",
    "convert": "convert scans -o out.csv",
    "transfer": "transfer soils.csv --target ph --signal reflectance --rounds 2 -o out.json",
    "harmonise": "harmonise three.parquet --target c_g_kg -o out.json",
    "impute": "impute library.parquet --property c_g_kg -o out.parquet",
    "replicate": "replicate libs -o out.json",
}
# What differs between two runs of the same inputs: times.
VOLATILE = ("processor_seconds", "seconds", "date", "when", "made")


def make_inputs(folder, commands):
    """What some commands read: a table of soils, a library of laboratories, and files of an instrument."""
    from spectrakit.simulate.library import simulate_mir
    from spectrakit.simulate.soils import simulate_gejiu
    from spectrakit.tables import write_table

    soils = simulate_gejiu(120)
    write_table(soils, folder / "soils.csv")
    if {"harmonise", "impute"} & set(commands):
        library = simulate_mir(400)
        write_table(library, folder / "library.parquet")
        laboratory = library.samples["laboratory"]
        three = laboratory.isin(laboratory.value_counts().index[:3]) & (laboratory.groupby(laboratory).cumcount() < 30)
        write_table(library.subset(three.to_numpy()), folder / "three.parquet")
    (folder / "scans").mkdir()
    for number, spectrum in enumerate(np.tile(soils.spectra, (2, 1))):
        rows = "".join(f"{nm:g} {value:.6f}\n" for nm, value in zip(soils.axis, spectrum, strict=True))
        (folder / "scans" / f"s{number:04d}.jdx").write_text(JCAMP.format(n=len(spectrum), rows=rows))


JCAMP = (
    "##TITLE=soil\n##JCAMP-DX=4.24\n##XUNITS=NANOMETERS\n##YUNITS=REFLECTANCE\n##XFACTOR=1\n##YFACTOR=1\n"
    "##FIRSTX=400\n##LASTX=2499\n##NPOINTS={n}\n##XYPOINTS=(XY..XY)\n{rows}##END=\n"
)


def start(command, folder):
    """A command of the kit in a folder, in one thread, without output."""
    arguments = [sys.executable, "-c", "from spectrakit.cli import main; main()", *command.split()]
    environment = {"OMP_NUM_THREADS": "1", "PATH": "/usr/bin:/bin", "PYTHONPATH": str(Path(__file__).parents[1])}
    silent = subprocess.DEVNULL
    return subprocess.Popen(arguments, cwd=folder, env=environment, stdout=silent, stderr=silent)


def outcome(folder):
    """A hash of the result in a folder, None where there is none, and what lies beside it that should not."""
    results = sorted(folder.glob("out.*"))
    left = [path.name for path in folder.iterdir() if path.name.endswith(".part")]
    if not results:
        return None, left
    content = results[0].read_bytes()
    if results[0].suffix == ".json":
        content = json.dumps(without_times(json.loads(content)), sort_keys=True).encode()
    return hashlib.sha256(content).hexdigest(), left


def without_times(value):
    """JSON without what differs between two runs of the same inputs."""
    if isinstance(value, dict):
        return {name: without_times(part) for name, part in value.items() if name not in VOLATILE}
    return [without_times(part) for part in value] if isinstance(value, list) else value


def fresh(inputs, place):
    """A new folder that sees the inputs."""
    folder = Path(tempfile.mkdtemp(dir=place))
    for path in inputs.iterdir():
        (folder / path.name).symlink_to(path)
    return folder


def killed_runs(command, inputs, place, n_kills, generator):
    """How many runs that were killed at random moments ended as the one in peace, and the moments in seconds."""
    folder, begin = fresh(inputs, place), time.monotonic()
    if code := start(command, folder).wait():
        raise SystemExit(f"{command}: exit code {code}")
    seconds, (expected, _) = time.monotonic() - begin, outcome(folder)
    survived, moments = 0, []
    while len(moments) < n_kills:
        moment = seconds * (generator.uniform(0, 0.25) if generator.random() < 0.1 else generator.uniform(0.25, 0.98))
        folder = fresh(inputs, place)
        process = start(command, folder)
        time.sleep(moment)
        process.send_signal(signal.SIGKILL)
        if process.wait() != -signal.SIGKILL:
            continue
        moments.append(moment)
        stopped, _ = outcome(folder)
        code = start(command, folder).wait()
        survived += stopped in (None, expected) and code == 0 and outcome(folder) == (expected, [])
    return {"kills": n_kills, "survived": survived, "seconds": round(seconds, 1), "last": round(max(moments), 1)}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=50, help="of each command")
    parser.add_argument("--commands", nargs="+", choices=COMMANDS, default=[*COMMANDS])
    parser.add_argument("--output", type=Path, help="write the figures here, as JSON, after each command")
    options = parser.parse_args()
    figures, generator = {}, np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as temporary:
        inputs, place = Path(temporary, "inputs"), Path(temporary, "runs")
        inputs.mkdir(), place.mkdir()
        make_inputs(inputs, options.commands)
        for name in options.commands:
            figures[name] = killed_runs(COMMANDS[name], inputs, place, options.kills, generator)
            print(f"{name}: {figures[name]['survived']} of {options.kills} kills survived", flush=True)
            if options.output:
                record = {"what": "benchmarks/stopped_runs.py", "date": f"{date.today()}", "version": __version__}
                options.output.write_text(json.dumps(record | {"figures": figures}, indent=1) + "\n")
