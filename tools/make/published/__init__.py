"""How the figures of data/published were computed: what the published values of a study say when checked against each
other.

    python -m tools.make.published libs|gejiu|mir

writes them to data/published/<study>.yml, where each check also has its formula in words.
"""

import re
from importlib import import_module

import numpy as np
import yaml

from spectrakit.ledger import load_published
from spectrakit.resources import data_path


def computed_figures(study):
    """Return the figures of a study's checks, {check: {name: figure}}: texts, and numbers with six digits."""
    entries = load_published(study)["entries"]
    values = {name: entry.get("value") for name, entry in entries.items()}
    computed = import_module(f"tools.make.published.{study}").figures(values, entries)
    return {check: {name: _plain(figure) for name, figure in figures.items()} for check, figures in computed.items()}


def write_figures(study):
    """Replace the line `figures: {...}` of every check in data/published/<study>.yml."""
    path = data_path("published", f"{study}.yml")
    text = path.read_text(encoding="utf-8")
    for check, figures in computed_figures(study).items():
        line = yaml.safe_dump(figures, default_flow_style=True, sort_keys=False, width=np.inf, allow_unicode=True)
        pattern = rf"(  - id: {check}\n(?:    .*\n)*?    figures: ).*\n"
        text, n_written = re.subn(pattern, lambda match, line=line: match[1] + line, text)
        if n_written != 1:
            raise ValueError(f"{path.name}: check '{check}' has {n_written} lines of figures, not 1")
    path.write_text(text, encoding="utf-8", newline="\n")


def _plain(figure):
    value = np.asarray(figure).item()
    return float(f"{value:.6g}") if isinstance(value, float) else value
