"""Whether what reads a user's bytes ever fails with anything but one clear line.

Run `python benchmarks/fuzz_readers.py`. Sound and broken files, those of tests/badinput and what the kit writes, are
changed at random: bytes flipped, cut, repeated, or put together of two files. Each reader gets them; an error that is
not meant for a user, or whose message has two lines, is printed with the bytes that made it.
"""

import argparse
import json
import sys
import tempfile
import time
import warnings
from collections import Counter
from datetime import date
from pathlib import Path

import numpy as np

from spectrakit import __version__
from spectrakit.ledger import load_results
from spectrakit.models import load_network
from spectrakit.runs import KeptParts
from spectrakit.tables import check_table, convert_files, read_blocks, read_library, read_table

sys.path.insert(0, str(Path(__file__).parents[1]))
from tests.badinput.make import CASES, PARTS, TABLE, WEIGHTS

NM, MAX_BYTES = ("nm", "reflectance"), 200_000
INSERTED = (b",", b";", b"\t", b'"', b"\n", b"-9999", b"nan", b"1e400", b"\xff\xfe")
READERS = {
    "read_table": lambda path: read_table(path, *NM),
    "read_library": lambda path: read_library(path, *NM),
    "read_blocks": lambda path: list(read_blocks(path, *NM, rows=7)),
    "check_table": lambda path: check_table(path, *NM),
    "convert_files": lambda path: convert_files(path, *NM),
    "load_results": lambda path: load_results("libs", path),
    "load_network": load_network,
    "kept part": lambda path: KeptParts(None, "key").__class__.load(_PartAt(path), "part"),
}


class _PartAt:
    """Stands for kept parts of which one lies at a path."""

    def __init__(self, path):
        self._path = path

    def path(self, name):
        """The path."""
        return self._path


def seeds(folder):
    """Names and bytes of the files to begin with."""
    files = {"table.csv": TABLE.encode()} | {f"{name}.zip": content for name, content in PARTS.items()}
    files |= {name: content for name, (content, _) in WEIGHTS.items()}
    for case in CASES:
        if case.name in ("bomb.csv.gz", "million_channels.csv"):
            continue
        path = folder / case.name
        case.content(path) if callable(case.content) else path.write_bytes(case.content)
        files[case.name] = path.read_bytes()
    return [(name, content) for name, content in files.items() if len(content) < MAX_BYTES]


def changed(content, other, random):
    """Bytes that differ at random from those of a file, some of them perhaps of another."""
    data = bytearray(content)
    for _ in range(random.integers(1, 6)):
        at, kind = (int(random.integers(0, len(data) + 1)), random.integers(0, 5))
        if kind == 0 and data:
            data[at % len(data)] = random.integers(0, 256)
        elif kind == 1:
            del data[at : at + int(random.integers(1, 50))]
        elif kind == 2:
            data[at:at] = data[at : at + int(random.integers(1, 50))]
        elif kind == 3:
            data[at:at] = INSERTED[random.integers(len(INSERTED))]
        elif other:
            start = int(random.integers(0, len(other)))
            data[at:at] = other[start : start + 200]
    return bytes(data)


def try_all(path, counts):
    """Give a file to all readers; the errors that are not meant for a user."""
    for name, read in READERS.items():
        counts[name] += 1
        try:
            read(path)
        except (ValueError, OSError) as error:
            if "\n" in str(error):
                yield name, error
        except Exception as error:
            yield name, error


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path, help="write the figures here, as JSON")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    random, counts, faults = np.random.default_rng(options.seed), Counter(), Counter()
    with tempfile.TemporaryDirectory() as temporary:
        files, end = seeds(Path(temporary)), time.monotonic() + 60 * options.minutes
        while time.monotonic() < end:
            (name, content), (_, other) = (files[at] for at in random.integers(0, len(files), 2))
            path = Path(temporary, f"changed-{name}")
            path.write_bytes(changed(content, other, random))
            for reader, error in try_all(path, counts):
                kind = f"{reader}: {type(error).__name__}: {str(error).splitlines()[0][:120]}"
                faults[kind] += 1
                if faults[kind] == 1:
                    print(f"{name}, {kind}\n  {path.read_bytes()[:300]!r}", flush=True)
            path.unlink()
    print(f"{sum(counts.values()):,} executions, {len(faults)} kinds of fault")
    if options.output:
        record = {"what": "benchmarks/fuzz_readers.py", "date": f"{date.today()}", "version": __version__}
        figures = {"executions": sum(counts.values()), "readers": len(counts), "faults": len(faults)}
        options.output.write_text(json.dumps(record | {"figures": figures}, indent=1) + "\n")
