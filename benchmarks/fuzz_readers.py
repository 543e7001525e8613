"""Whether what reads a user's bytes ever fails with anything but one clear line.

Run `python benchmarks/fuzz_readers.py`. Sound and broken files, those of tests/badinput and of instruments, are
changed at random: bytes, cells and lines replaced, cut, repeated, or put together of two files. What reaches branches
of the readers that no file before reached is changed further. An error is a fault where its message is not one line
that names the file, and so is a file that takes over ten seconds; each kind is printed with the bytes that made it.
With `--tests`, the branches that the unit tests reach are counted beside those of the fuzzing.
"""

import argparse
import gzip
import json
import struct
import subprocess
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from datetime import date
from pathlib import Path

import coverage
import numpy as np

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))
# What reads, whose branches are counted; nothing of it is imported before the measuring starts.
SOURCES = [
    str(ROOT / "spectrakit" / name)
    for name in ("tables/*", "tables/*/*", "ledger.py", "runs/parts.py", "models/resnet.py")
]
MEASURED = {"branch": True, "data_file": None, "include": SOURCES}
MAX_BYTES, MAX_SECONDS = 100_000, 10
KINDS = (("nm", "reflectance"), ("nm", "percent-reflectance"), ("nm", "counts"), ("cm-1", "absorbance"))
INSERTED = (
    *(b",", b";", b"\t", b"|", b'"', b"\n", b"\r", b"\n\n", b"#", b"sample_id", b"\0", b"\xff\xfe", b"\xef\xbb\xbf"),
    *(b"-9999", b"nan", b"inf", b"1e400", b"-1.23e34", b"<0.5", b"n.d.", b"0,5", b"1,000", b"1e5", b" ", b"##", b"="),
    *(b"400", b"1", b"2500", b"spc.", b"X", b"nm", b"ph", b"Unnamed: 0", b"scan_mir.600_abs", b"$$", b"\xc3\xa4"),
)
TESTS = ("tests/tables", "tests/test_cases.py", "tests/test_badinput.py", "tests/test_ledger.py", "tests/runs")


def readers():
    """Each reader by its name: endings of the files that it gets, and a function of path, kind and random numbers."""
    from spectrakit import ledger, models, tables
    from spectrakit.runs import KeptParts

    any_table = (".csv", ".gz", ".parquet", ".txt", ".0", ".xlsx")
    instruments = (".0", ".asd", ".jdx", ".sed", ".spa", ".txt", ".dpt")

    def how(random):
        return {"below_detection": (None, "half", "missing")[random.integers(3)]}

    def converted(path, kind, random):
        kind = kind if random.integers(2) else (None, None)
        tables.convert_files(path, *kind, replicates=("keep", "average")[random.integers(2)])

    def joined(path, kind, random):
        spectrum = path.parent / "s3x.xy"
        spectrum.write_text("".join(f"{400 + at} 0.{at + 10}\n" for at in range(20)))
        tables.convert_files(spectrum, "nm", "reflectance", contents=path, **how(random))

    def kept_part(path, kind, random):
        kept = KeptParts(path.parent, "key")
        path.rename(kept.path("part"))
        kept.load("part")
        kept.path("part").rename(path)

    return {
        "read_table": (any_table, lambda path, kind, random: tables.read_table(path, *kind, **how(random))),
        "read_library": (any_table, lambda path, kind, random: tables.read_library(path, *kind, **how(random))),
        "read_blocks": (any_table, lambda path, kind, random: list(tables.read_blocks(path, *kind, rows=7))),
        "library_index": (any_table, lambda path, kind, random: tables.library_index(path, *kind, **how(random))),
        "check_table": (any_table, lambda path, kind, random: list(map(str, tables.check_table(path, *kind).problems))),
        "read_lucas": ((".lucas.csv",), lambda path, kind, random: tables.read_lucas(path)),
        "read_gejiu": ((".gejiu.csv",), lambda path, kind, random: tables.read_gejiu(path)),
        "convert_files": (instruments, converted),
        "contents": ((".csv", ".gz", ".parquet"), joined),
        "load_results": ((".json",), lambda path, kind, random: ledger.load_results("libs", path)),
        "load_network": ((".safetensors",), lambda path, kind, random: models.load_network(path)),
        "kept part": ((".zip",), kept_part),
    }


def asd_bytes(kind=0, n_channels=30):
    """A file of ASD: counts and those of the white reference, or reflectance."""
    data = bytearray(484)
    data[:3] = b"as8"
    struct.pack_into("<6h", data, 160, 0, 0, 9, 3, 5, 120)
    data[186], data[199] = kind, 2
    struct.pack_into("<2f", data, 191, 400, 10)
    struct.pack_into("<H", data, 204, n_channels)
    spectrum = struct.pack(f"<{n_channels}d", *(100 + at if kind == 0 else 0.1 + at / 100 for at in range(n_channels)))
    return bytes(data) + spectrum + bytes(20) + struct.pack(f"<{n_channels}d", *[500.0] * n_channels)


def seeds(folder):
    """Names and bytes of the files to begin with."""
    from tests.badinput.make import CASES, PARTS, TABLE, WEIGHTS
    from tests.tables.instruments.test_conversion import SED, jcamp_text, two_columns
    from tests.tables.instruments.test_opus import opus_bytes
    from tests.tables.layouts import test_ossl
    from tests.tables.test_lucas import ASD_NM, FALLING, LUCAS_NM, PROPERTIES

    table = TABLE.replace("ph,", "site,replicate,om_pct,ph,", 1).replace("x,", "x,A,1,<0.5,")
    release = PROPERTIES.strip() + "," + ",".join(LUCAS_NM)
    lucas = [f"{at},{at},1,2,3,4,6,5,9,1,1,20,9,9,50,4," + ",".join(f"{v:.2f}" for v in FALLING) for at in (1, 2)]
    gejiu = ["sample_id,Pb,ph," + ",".join(ASD_NM), *(f"{at},40,6," + ",".join(["0.3"] * 2151) for at in "ab")]
    files = {"table.csv": TABLE, "more.csv": table, "decimal.csv": table.replace(",", ";").replace(".", ",")}
    files |= {"ossl.csv": test_ossl.text(), "a.jdx": jcamp_text(), "a.sed": SED, "a.txt": two_columns()}
    files |= {
        "b.jdx": jcamp_text(data="(X++(Y..Y))\n4000A00%U\n3994A00j00\n3992@\n"),
        "b.dpt": two_columns(decimal=","),
    }
    files |= {"c.jdx": jcamp_text(data="").replace("XYDATA=", "XYPOINTS=(XY..XY)\n400, .1; 401, .2\n402.5, .3\n")}
    files |= {"r.lucas.csv": "\n".join([release, *lucas]), "r.gejiu.csv": "\n".join(gejiu)}
    files = {name: text.encode() for name, text in files.items()}
    files |= {"a.0": opus_bytes([0.5, 0.75, 1.5], 604, 600), "b.0": opus_bytes([0.1, 0.2], 604, 602, held=12)}
    files |= {"raw.asd": asd_bytes(), "level.asd": asd_bytes(1), "table.csv.gz": gzip.compress(table.encode())}
    files |= {f"{name}.zip": content for name, content in PARTS.items()}
    files |= {name: content for name, (content, _) in WEIGHTS.items()} | written(folder)
    for case in CASES:
        path = folder / case.name
        if case.name not in ("bomb.csv.gz", "million_channels.csv"):
            case.content(path) if callable(case.content) else path.write_bytes(case.content)
            files[case.name] = path.read_bytes()
            path.unlink()
    return [(name, content) for name, content in files.items() if len(content) < MAX_BYTES]


def written(folder):
    """Names and bytes of files that the kit itself writes: weights, a kept part, a record."""
    from spectrakit import models, resources, runs

    small = models.ResNetConfig(n_channels=12, pool=1, n_filters=1, n_blocks=1, n_last=1, hidden=(1,))
    models.save_network(models.initial_network(small, 0, np.ones(1)), folder / "small.safetensors", {"seed": 1})
    kept = runs.KeptParts(folder, "key")
    kept.save("part", {"a": [np.arange(3.0), (1, "b")], "c": None})
    kept.path("part").rename(folder / "part.zip")
    record = resources.data_path("recorded", "libs-paper.json").read_bytes()
    names = ("small.safetensors", "part.zip")
    return {"record.json": record} | {name: (folder / name).read_bytes() for name in names}


def changed(content, other, random):
    """Bytes that differ at random from those of a file, some of them perhaps of another."""
    data = bytearray(content)
    for _ in range(random.integers(1, 6)):
        at, kind = (int(random.integers(0, len(data) + 1)), random.integers(0, 8))
        if kind == 0 and data:
            data[at % len(data)] = random.integers(0, 256)
        elif kind == 1:
            del data[at : at + int(random.integers(1, 50))]
        elif kind == 2:
            data[at:at] = data[at : at + int(random.integers(1, 50))]
        elif kind == 3:
            data[at:at] = INSERTED[random.integers(len(INSERTED))]
        elif kind == 4:
            start = int(random.integers(0, len(other) + 1))
            data[at:at] = other[start : start + 200]
        else:
            data = _piece_changed(data, (b"\n", b",", b";")[kind % 3], random)
    return bytes(data)


def _piece_changed(data, mark, random):
    """Bytes with a line or a cell doubled, left out, or another in its place."""
    pieces = data.split(mark)
    at, kind = int(random.integers(len(pieces))), random.integers(4)
    word = INSERTED[random.integers(len(INSERTED))] if kind else pieces[random.integers(len(pieces))]
    pieces[at : at + 1] = ([word], [], [pieces[at], pieces[at]], [word])[kind]
    return bytearray(mark.join(pieces))


class Reached:
    """Counts the branches that calls reach for the first time."""

    def __init__(self):
        self.coverage, self._n_before = coverage.Coverage(**MEASURED), 0

    def first(self):
        """How many steps from line to line were made for the first time since this was asked."""
        data = self.coverage.get_data()
        n_before, self._n_before = self._n_before, sum(len(data.arcs(name) or ()) for name in data.measured_files())
        return self._n_before - n_before


def fault(path, read, kind, random):
    """What is wrong with the way in which a reader ends, in words; None for nothing."""
    start = time.monotonic()
    try:
        read(path, kind, random)
    except (ValueError, OSError) as error:
        if "\n" in str(error) or path.name not in str(error):
            return _named(error)
    except Exception as error:
        return _named(error)
    return None if time.monotonic() - start < MAX_SECONDS else f"over {MAX_SECONDS} seconds"


def _named(error):
    place = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__} at {Path(place.filename).name}:{place.lineno}: {str(error)[:200]!r}"


def fuzzed(minutes, seed, reached):
    """Executions by reader, kinds of fault with their number, and how many files were kept for further changes."""
    random, counts, faults = np.random.default_rng(seed), Counter(), Counter()
    with tempfile.TemporaryDirectory() as temporary:
        reached.coverage.start()
        tried, end = readers(), time.monotonic() + 60 * minutes
        pool = seeds(Path(temporary))
        fresh, n_seeds = list(pool), len(pool)
        while time.monotonic() < end:
            (name, content), (_, other) = (pool[at] for at in random.integers(0, len(pool), 2))
            name, content = fresh.pop() if fresh else (name, _repacked(name, content, other, random))
            path = Path(temporary, name)
            fitting = [one for one, (endings, _) in tried.items() if name.endswith(endings)]
            for reader in fitting:
                path.write_bytes(content)
                counts[reader] += 1
                words = fault(path, tried[reader][1], KINDS[int(random.choice(4, p=(0.4, 0.2, 0.2, 0.2)))], random)
                if words:
                    faults[f"{reader}: {words.split(': ')[0]}"] += 1
                    if faults[f"{reader}: {words.split(': ')[0]}"] == 1:
                        print(f"{name}, {reader}: {words}\n  {content[:400]!r}", flush=True)
            path.unlink()
            if reached.first() and len(content) < MAX_BYTES:
                pool.append((name, content))
        reached.coverage.stop()
    return counts, faults, len(pool) - n_seeds


def _repacked(name, content, other, random):
    """Changed bytes of a file; of a compressed one mostly what it holds."""
    try:
        if name.endswith(".gz") and random.integers(4):
            return gzip.compress(changed(gzip.decompress(content)[:MAX_BYTES], other, random), 1)
    except (OSError, EOFError, gzip.zlib.error):
        pass
    return changed(content, other, random)


def by_module(measured):
    """Branches reached and all branches of each module, {module: [reached, all]}, of a `Coverage`."""
    with tempfile.TemporaryDirectory() as temporary:
        report = Path(temporary, "coverage.json")
        measured.json_report(outfile=str(report))
        files = json.loads(report.read_text())["files"]
    names = {name: str(Path(name).resolve().relative_to(ROOT / "spectrakit")) for name in files}
    summaries = {names[name]: of_file["summary"] for name, of_file in files.items()}
    return {
        name: [one["covered_branches"], one["num_branches"]]
        for name, one in sorted(summaries.items())
        if one["num_branches"] and name.startswith("tables/") and not name.endswith("writing.py")
    }


def of_tests():
    """As `by_module`, of the unit tests."""
    with tempfile.TemporaryDirectory() as temporary:
        data = Path(temporary, "data")
        options = ["--branch", f"--data-file={data}", f"--include={','.join(SOURCES)}"]
        command = [sys.executable, "-m", "coverage", "run", *options, "-m", "pytest", "-q", *TESTS]
        subprocess.run(command, cwd=ROOT, stdout=subprocess.DEVNULL, check=False)
        measured = coverage.Coverage(data_file=str(data), include=SOURCES)
        measured.load()
        return by_module(measured)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--tests", action="store_true", help="count the branches that unit tests reach, too")
    parser.add_argument("--output", type=Path, help="write the figures here, as JSON")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    reached = Reached()
    counts, faults, n_kept = fuzzed(options.minutes, options.seed, reached)
    branches = {"fuzzing": by_module(reached.coverage)} | ({"tests": of_tests()} if options.tests else {})
    for side, modules in branches.items():
        for name, (some, every) in modules.items():
            print(f"{side}: {some} of {every} branches of {name}")
    print(f"{n_kept} files reached new branches")
    print(f"{sum(counts.values()):,} executions, {len(faults)} kinds of fault")
    if options.output:
        record = {"what": "benchmarks/fuzz_readers.py", "date": f"{date.today()}"}
        from spectrakit import __version__

        figures = {"executions": sum(counts.values()), "readers": len(counts), "faults": len(faults)}
        figures |= {"kept": n_kept, "by_reader": dict(sorted(counts.items())), "branches": branches}
        record |= {"version": __version__, "figures": figures}
        options.output.write_text(json.dumps(record, indent=1) + "\n")
