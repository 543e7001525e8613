"""How data/recorded/transfer-visnir.csv was made: scores of the pretrained network and of others on measured soils.

    python -m tools.make.record_transfer FOLDER [TABLE ...]

runs `spectrakit transfer` with its default settings on every property of the plain spectral tables (percent
reflectance) of a folder and writes data/recorded/transfer-visnir.csv. A sixth model, 'input', is the pretrained one
without its features: the same new layers, over the network's pooled input alone. Takes about half an hour on one core;
a run that was stopped goes on where it was, and with names of tables it runs those and writes nothing, so that two may
share the work.
"""

import sys
from pathlib import Path

import pandas as pd
import torch
from rich.progress import Progress

from spectrakit.models import load_network
from spectrakit.preprocess import lucas_reflectance
from spectrakit.resources import data_path
from spectrakit.runs import current_commit
from spectrakit.tables import read_table
from spectrakit.training import FineTunedNetwork
from spectrakit.workflows import run_rounds, transfer_models

RUNS = Path(".spectrakit/runs/transfer")


def models():
    """The five models of `spectrakit transfer`, and 'input'."""
    network, kept = load_network(data_path("models", "resnet_soils.safetensors"))
    return transfer_models() | {
        "input": lambda random_state=None: FineTunedNetwork(
            network, kept["transform"], views=("input",), random_state=random_state
        )
    }


def records_of(path, progress):
    """Scores of every property of one table: DataFrame as `run_rounds` gives it, with table and target."""
    dataset, _ = lucas_reflectance(read_table(path, "nm", "percent-reflectance"))
    table = path.name.split(".")[0]
    parts = []
    for target in dataset.properties:
        records = run_rounds(dataset, target, models(), folder=RUNS, progress=lambda *now: progress(table, *now))
        parts.append(records.assign(table=table, target=target))
    return pd.concat(parts)


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__.strip().splitlines()[2].strip())
    torch.set_num_threads(1)
    commit = current_commit()  # before the file that it goes into is changed
    folder, wanted = Path(sys.argv[1]), set(sys.argv[2:])
    paths = [path for path in sorted(folder.glob("*.csv*")) if not wanted or path.name.split(".")[0] in wanted]
    with Progress() as bar:
        task = bar.add_task("")

        def _show(table, words, share):
            bar.update(task, description=f"{table}: {words}", completed=100 * share)

        result = [records_of(path, _show) for path in paths]
    if not wanted:
        names = ["table", "target", "model", "round", "r2", "rmse", "rpd", "n_train", "n_test"]
        table = pd.concat(result)[names].round(4).to_csv(index=False, lineterminator="\n")
        about = f"# tools/make/record_transfer.py, seed 0, commit {commit}\n"
        data_path("recorded", "transfer-visnir.csv").write_text(about + table, encoding="utf-8", newline="\n")
