"""How time and memory of `spectrakit impute` grow with the rows to fill: libraries of 20,000 and of 160,000 rows.

Run `python benchmarks/impute.py`: makes both libraries as folders of Parquet files, 1,700 channels a row, of simulated
soils that are repeated, each time with other noise. The same rows have their carbon in both, all others are filled.
Each run is a fresh process; prints its time and the peak of its memory, and the ratios of both. `--rows 57000
500000` needs 3.9 GB of disk; with `--scheduler ADDRESS` the client of a cluster is measured.
"""

import argparse
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
from fresh_process import COMMAND_IMPORTS, command_call, seconds_and_gigabytes

from spectrakit.simulate.library import mir_blocks
from spectrakit.tables import write_partitions

NOISE = 0.001  # absorbance
# Share of the simulated soils that keep their carbon, where they come first: the same rows to fit in every library.
KEPT = 0.5


def repeated(blocks, n_rows):
    """Yield blocks again and again until there are `n_rows`, with new noise and names; only the first have carbon."""
    generator, done, turn = np.random.default_rng(0), 0, 0
    while done < n_rows:
        for block in blocks:
            block = block.subset(np.arange(min(len(block), n_rows - done)))
            if not len(block):
                return
            spectra = block.spectra + NOISE * generator.standard_normal(block.spectra.shape, dtype=np.float32)
            names = [f"{turn}-{name}" for name in block.samples["sample_id"]]
            kept = (np.arange(len(block)) < KEPT * len(block)) & (turn == 0)
            properties = block.properties.assign(c_g_kg=block.properties["c_g_kg"].where(kept))
            yield replace(block, spectra=spectra, properties=properties, samples=block.samples.assign(sample_id=names))
            done += len(block)
        turn += 1


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, nargs="+", default=[20_000, 160_000])
    parser.add_argument("--simulated", type=int, default=6_000, help="soils that are repeated")
    parser.add_argument("--model", default="pls")
    parser.add_argument("--scheduler", help="address of a Dask cluster")
    parser.add_argument("--folder", help="where the libraries are made; 1.2 GB by default")
    given = parser.parse_args()
    result = []
    with tempfile.TemporaryDirectory(dir=given.folder) as place:
        simulated = list(mir_blocks(given.simulated))
        for n_rows in given.rows:
            library = Path(place) / f"library{n_rows}"
            write_partitions(repeated(simulated, n_rows), library)
            arguments = ["impute", library, "--property", "c_g_kg", "--model", given.model, "-o", f"{n_rows}.parquet"]
            arguments += ["--scheduler", given.scheduler] if given.scheduler else []
            result.append(seconds_and_gigabytes(COMMAND_IMPORTS, command_call(*arguments), place))
            print(f"{n_rows:,} rows: {result[-1][0]:.1f} s, peak {result[-1][1]:.2f} GB", flush=True)
    (first, low), *_, (last, high) = result
    times = f"{last / first:.2f} times the time, {high / low:.2f} times the memory"
    print(f"{given.rows[-1] / given.rows[0]:.1f} times the rows: {times}")
