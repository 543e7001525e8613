"""How far numbers of the same seed differ in a second process, with two threads, and in other environments.

Run `python benchmarks/same_numbers.py`. A fixed set of quantities is computed in this environment twice with one thread
and once with two, and with each `--python PATH` of another environment; printed is the largest difference of each from
the first, over the largest value of the quantity. A second process has to give the same bits, all else the same numbers
within `TOLERANCE`; otherwise the exit code is 1.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from datetime import date
from pathlib import Path

import numpy as np

from spectrakit import __version__

ROOT = Path(__file__).parents[1]
TOLERANCE = 1e-4  # of the largest value of a quantity


def quantities():
    """Arrays by name: spectra of each simulator, predictions of each kind of model, SHAP values, parts of studies."""
    from chemotools.scatter import StandardNormalVariate

    from spectrakit.evaluation import repeated_folds
    from spectrakit.explain import shap_values
    from spectrakit.models import CNNConfig, load_network, random_forest, transfer_baselines
    from spectrakit.preprocess import network_input
    from spectrakit.resources import data_path
    from spectrakit.simulate import libs
    from spectrakit.simulate.library import simulate_mir
    from spectrakit.simulate.soils import simulate_gejiu, simulate_lucas
    from spectrakit.studies import libs as libs_study
    from spectrakit.studies import mir as mir_study
    from spectrakit.training import CNNRegressor, FineTunedNetwork
    from spectrakit.workflows import transfer_models

    soils, plasma = simulate_gejiu(60), libs.measure(libs.field_soils(0), random_state=0)
    lucas, library = simulate_lucas(40), simulate_mir(100)
    X, y = soils.spectra.astype(float), np.log(soils.properties["pb_mg_kg"].to_numpy())
    lines, content = plasma.window(280, 281).spectra.astype(float), plasma.properties["mg_ppm"].to_numpy()
    lines = lines / lines.mean(axis=1, keepdims=True)
    cnn = CNNRegressor(CNNConfig(max_epochs=20), 0).fit(lines, content)
    models = {name: make(0) for name, make in transfer_baselines().items()} | {"forest": random_forest(0)}
    models["fine-tuned network"] = transfer_models()["pretrained"](0)
    assert isinstance(models["fine-tuned network"], FineTunedNetwork)
    found = {f"prediction, {name}": model.fit(X[:45], y[:45]).predict(X[45:]) for name, model in models.items()}
    network, _ = load_network(data_path("models", "resnet_lucas_ph.safetensors"))
    seen = network_input(soils.spectra, "log")
    task = libs_study.cut_task(plasma, "mg", "low")
    splits = repeated_folds(len(task.content), 10, 1, 0)
    return found | {
        "SHAP values": shap_values(network, seen, seen[:4], n_samples=20),
        "LIBS study, one repeat of magnesium": libs_study.fit_model(None, task, splits),
        "harmonised spectra": mir_study.simulated_library(200).harmonised(),
        "simulation, LIBS": plasma.spectra,
        "simulation, LUCAS": lucas.spectra,
        "simulation, Gejiu": soils.spectra,
        "simulation, library": library.spectra,
        "prediction, CNN": cnn.predict(lines),
        "standard normal variate": StandardNormalVariate().fit_transform(library.spectra.astype(float)),
    }


def computed(python, n_threads, folder):
    """The quantities as another process computes them."""
    path = Path(folder, f"{len(os.listdir(folder))}.npz")
    environment = os.environ | {"OMP_NUM_THREADS": str(n_threads), "PYTHONPATH": str(ROOT)}
    subprocess.run([python, __file__, "--write", path], env=environment, check=True)
    return dict(np.load(path, allow_pickle=False))


def versions(python):
    """The numerical libraries of an environment, in words."""
    names = ("numpy", "pandas", "scipy", "scikit-learn", "torch")
    code = f"from importlib.metadata import version\nprint(', '.join(n + ' ' + version(n) for n in {names}))"
    return subprocess.run([python, "-c", code], check=True, capture_output=True, text=True).stdout.strip()


def largest_difference(one, other):
    """Of two arrays, over the largest value of the first."""
    return float(np.nanmax(np.abs(one - other)) / np.nanmax(np.abs(one)))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--python", nargs="*", default=[], help="of other environments")
    parser.add_argument("--output", type=Path, help="write the figures here, as JSON")
    parser.add_argument("--write", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.write:
        np.savez(options.write, **quantities())
        raise SystemExit
    ways = {"a second process": (sys.executable, 1), "two threads": (sys.executable, 2)}
    ways |= {versions(python): (python, 1) for python in options.python}
    with tempfile.TemporaryDirectory() as folder:
        first, figures = computed(sys.executable, 1, folder), {}
        for way, (python, n_threads) in ways.items():
            other = computed(python, n_threads, folder)
            figures[way] = {name: largest_difference(array, other[name]) for name, array in first.items()}
            print(way, *(f"  {name}: {value:.1e}" for name, value in figures[way].items()), sep="\n", flush=True)
    largest = max(value for differences in figures.values() for value in differences.values())
    same = max(figures["a second process"].values()) == 0 and largest <= TOLERANCE
    print("the same within the tolerance" if same else "NOT the same within the tolerance")
    if options.output:
        record = {"what": "benchmarks/same_numbers.py", "date": f"{date.today()}", "version": __version__}
        options.output.write_text(json.dumps(record | {"figures": figures}, indent=1) + "\n")
    raise SystemExit(not same)
