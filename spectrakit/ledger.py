"""What a study published beside what its rebuild gives, each pair with a verdict.

The published side is data/published/<study>.yml. Ours is data/recorded/<study>-paper.json, which the study writes:

    {"provenance": {"profile": "paper", "config": {...}, "seed": 0, "commit": "...", "version": "0.1.0"},
     "results": {"r2.ca.high": {"value": 0.91, "sd": 0.02, "n": 10, "note": "ten repeats, pooled"}, ...}}

The ids are those of the yml. `value` is null where there is none, and `note` then says why; `sd`, `n` and `note`
may be left out. What `value` means for an ordering, a line or a wavelength is written at the head of the yml.
"""

import hashlib
import json
import math
from datetime import date
from pathlib import Path
from string import Formatter
from typing import NamedTuple

import pandas as pd
import yaml

from spectrakit import __version__
from spectrakit.resources import data_path

_REMEDY = "name a record that spectrakit replicate wrote with -o"
PROVENANCE = ("profile", "config", "seed", "commit", "version")
VERDICTS = ("agrees", "same direction", "differs", "cannot be assessed")
# An ordering agrees when it holds in nine of ten repeats; it points the same way when it holds in more than half.
MIN_SHARE_AGREES, MIN_SHARE_SAME_DIRECTION = 0.9, 0.5
SHARES = {"ordering": "holds", "wavelength": "among the highest"}  # kinds whose number of ours is a share of repeats
# A line counts from a hundredth of the strongest line's emissivity. Below one count of a 16-bit detector that the
# strongest line fills, it might as well not be there.
MIN_LINE_AGREES, MIN_LINE_SAME_DIRECTION = 0.01, 2**-16


class Verdict(NamedTuple):
    """One of VERDICTS, and why."""

    verdict: str
    why: str


def load_published(study):
    """Return the published side of a study: a dict with title, entries and inconsistencies, the two last dicts by id.

    Entries of numbers have their `decimals` as the paper prints them, in one row of a table at least.
    Raises ValueError for a study without published figures, or for an id of an entry that is given twice.
    """
    path = data_path("published", f"{study}.yml")
    if not path.exists():
        known = ", ".join(sorted(file.stem for file in path.parent.glob("*.yml")))
        raise ValueError(f"no published figures for the study '{study}'; there are: {known}")
    # The loader of libyaml takes a tenth of the time.
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    published = yaml.load(path.read_text(encoding="utf-8"), Loader=loader)
    by_id = {part: {item["id"]: item for item in published[part]} for part in ("entries", "inconsistencies")}
    if len(by_id["entries"]) < len(published["entries"]):
        raise ValueError(f"{path.name}: an id is given twice")
    _note_decimals(by_id["entries"].values())
    return published | by_id


def _note_decimals(entries):
    """Give entries of one kind of number the most decimals that one of them has: 0.3 beside 0.91 is 0.30."""
    numbers = [(entry["id"].partition(".")[0], entry) for entry in entries if entry["kind"] in ("result", "input")]
    decimals = {}
    for name, entry in numbers:
        if isinstance(entry.get("value"), float):
            decimals[name] = max(decimals.get(name, 0), len(repr(entry["value"]).partition(".")[2]))
    for name, entry in numbers:
        if name in decimals:
            entry["decimals"] = decimals[name]


def load_results(study, path=None):
    """Return our side of a study: a dict with provenance and results (by id), see the head of this module.

    path : the file, by default data/recorded/<study>-paper.json
    Raises FileNotFoundError, or ValueError for a file that is not such a record, or an id that was not published.
    """
    path = Path(path or data_path("recorded", f"{study}-paper.json"))
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        words = f"name one that is there, or run spectrakit replicate {study} --profile paper -o FILE"
        raise FileNotFoundError(f"{path.name}: there is no such record; {words}") from None
    except UnicodeDecodeError:
        raise ValueError(f"{path.name}: not JSON but binary data; {_REMEDY}") from None
    except json.JSONDecodeError as error:
        raise ValueError(f"{path.name}, line {error.lineno}: not JSON ({error.msg}); {_REMEDY}") from None
    except (RecursionError, ValueError):
        raise ValueError(f"{path.name}: numbers too long or lists too deep; {_REMEDY}") from None
    provenance, results = (record.get(key) if isinstance(record, dict) else None for key in ("provenance", "results"))
    if not isinstance(provenance, dict) or not isinstance(results, dict):
        raise ValueError(f"{path.name}: not a record with provenance and results; {_REMEDY}")
    missing = [key for key in PROVENANCE if key not in provenance]
    if missing:
        raise ValueError(f"{path.name}: its provenance lacks {', '.join(missing)}; {_REMEDY}")
    entries = load_published(study)["entries"]
    for key, result in results.items():
        if not isinstance(result, dict):
            raise ValueError(f"{path.name}: the result of '{key}' has no value; {_REMEDY}")
        if key not in entries:
            raise ValueError(f"{path.name}: '{key}' is no result that the study {study} published; {_REMEDY}")
    return record


def verification(record, compared, tolerance):
    """What came of computing parts of a record again, as data/recorded/tested keeps it, and the rows that differ.

    compared : of `Study.verify`; tolerance : largest difference that is none, as a share of the recorded number
    """
    difference = (compared["today"] - compared["recorded"]).abs() / compared["recorded"].abs().clip(lower=1e-9)
    differ = compared[~(difference <= tolerance)]
    figures = {"parts": compared["part"].unique().tolist(), "numbers": len(compared), "differ": len(differ)}
    about = {"version": __version__, "date": f"{date.today()}", "record": _digest(record)}
    return about | figures | {"largest": float(difference.max())}, differ


def how_made(record):
    """Profile, seed, version and commit of a record as words in Markdown, to follow 'made'."""
    made = record["provenance"]
    with_, by = f"with the {made['profile']} profile, seed {made['seed']}", f"by spectrakit {made['version']}"
    return f"{with_}, {by}, commit `{made['commit'][:12]}`"


def last_verified(study):
    """When and with which version the kit's record of a study was last computed again in part, and what came of it.

    Reads data/recorded/tested/verified-<study>.json, which `spectrakit ledger --verify -o` writes of that very record.
    """
    path = data_path("recorded", "tested") / f"verified-{study}.json"
    found = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    if found.get("record") != _digest(load_results(study)):
        return "not computed again since it was made"
    outcome = f"{found['differ']} of {found['numbers']} numbers differed" if found["differ"] else "all agreed"
    return (
        f"last computed again in part by version {found['version']} on {found['date']}: {found['numbers']} numbers of "
        f"{len(found['parts'])} parts, {outcome} (largest difference {found['largest']:.1g})"
    )


def _digest(record):
    """SHA-256 of a record, whatever the layout of its file."""
    return hashlib.sha256(json.dumps(record, sort_keys=True).encode()).hexdigest()


def judge(entry, ours):
    """Return the verdict on one published entry; all rules stand here.

    entry : of the published yml; ours : {value, sd, n, note} or None

    cannot be assessed : the entry says why no rebuild can, or we have no finite value
    setting, input : agrees when equal, or within the relative tolerance that the entry states, else differs
    ordering : agrees when it holds in at least 90 % of repeats, same direction above 50 %, else differs
    wavelength : the same, for being among the highest
    line : agrees from a hundredth of the strongest line's emissivity, same direction when fainter, differs
        when there is none or the strongest line would fill a 16-bit detector before it made one count
    result with a bound : agrees on its side of the bound, else differs
    result : agrees when the difference is within twice the published deviation and the standard error of our
        mean (deviation over root n) together, so that scatter of ours is no excuse, or within the relative
        tolerance that the entry states, whichever is wider; beyond that same direction when ours lies on the
        side that supports the claim (`better`), else differs
    """
    if "unassessable" in entry:
        return Verdict("cannot be assessed", entry["unassessable"])
    if not ours or not _is_finite(ours.get("value")):
        return Verdict("cannot be assessed", (ours or {}).get("note") or "no result of ours")
    value, kind = ours["value"], entry["kind"]
    if kind in ("setting", "input"):
        same = value == entry["value"]
        if "tolerance" in entry:
            same = abs(value - entry["value"]) <= entry["tolerance"] * abs(entry["value"])
        return Verdict("agrees", "the same") if same else Verdict("differs", "not the same")
    if kind in SHARES:
        return _graded(value, MIN_SHARE_AGREES, MIN_SHARE_SAME_DIRECTION, f"{SHARES[kind]} in {value:.0%} of repeats")
    if kind == "line":
        why = f"{value:.2g} of the strongest line" if value > 0 else "no such line"
        return _graded(value, MIN_LINE_AGREES, MIN_LINE_SAME_DIRECTION, why)
    if "bound" in entry:
        holds = value >= entry["value"] if entry["bound"] == "at_least" else value <= entry["value"]
        return Verdict("agrees" if holds else "differs", f"{entry['bound'].replace('_', ' ')} {entry['value']}")
    return _judge_number(entry, value, ours)


def ledger_frame(study, results=None, kinds=("result", "ordering", "line", "wavelength")):
    """Published beside ours, one row an entry.

    results : mapping id -> {value, sd, n, note}, by default what is recorded for the study
    kinds : which kinds of entry; 'setting', 'input' and 'quoted' may be added
    Returns a DataFrame indexed by id: kind, what, element, range, unit, published, ours, verdict, why, note, where.
    """
    results = load_results(study)["results"] if results is None else results
    rows = []
    for entry in load_published(study)["entries"].values():
        if entry["kind"] in kinds:
            ours = results.get(entry["id"]) or {}
            rows.append(
                {key: entry.get(key, "") for key in ("id", "kind", "what", "element", "range", "unit")}
                | {"published": _published_text(entry), "ours": _ours_text(entry, ours)}
                | judge(entry, ours)._asdict()
                | {"note": ours.get("note") or "", "where": entry["where"]}
            )
    return pd.DataFrame(rows).set_index("id")


def largest_differences(frame, study, results, n_listed):
    """The rows of a `ledger_frame` whose verdict is 'differs', the largest differences first, at most so many.

    A difference is relative to the published number; of a share of repeats, or a line, it is what it lacks of 1.
    """
    entries, names = load_published(study)["entries"], frame.index[frame["verdict"] == "differs"]
    ours, published = (pd.Series([of[name].get("value") for name in names], names) for of in (results, entries))
    relative = ((ours - published) / published).where(~frame["kind"][names].isin([*SHARES, "line"]), 1 - ours)
    return frame.loc[relative.astype(float).abs().nlargest(n_listed).index]


def verdict_counts(kinds, verdicts):
    """How many claims of each kind got which verdict: DataFrame of kinds by VERDICTS, and `all`.

    kinds, verdicts : columns of `ledger_frame`; the kinds may have other names, and keep the order of their first claim
    """
    counts = pd.crosstab(kinds, verdicts).reindex(index=kinds.unique(), columns=list(VERDICTS), fill_value=0)
    return counts.assign(all=counts.sum(axis=1))


def inconsistencies_frame(study):
    """What agrees and does not agree inside the paper itself, with the figures that follow from it.

    Returns a DataFrame indexed by id: standing ('contradiction', 'unclear' or 'fits'), title, text, where.
    """
    published = load_published(study)
    values = {name: entry.get("value") for name, entry in published["entries"].items()}
    rows = [
        item | {"text": _DottedNames().vformat(item["text"], (), values | item.get("figures", {}))}
        for item in published["inconsistencies"].values()
    ]
    return pd.DataFrame(rows).set_index("id")[["standing", "title", "text", "where"]]


class _DottedNames(Formatter):
    """Looks a field of a text up by its whole name, where Python would look for attributes behind a dot."""

    def get_field(self, name, args, kwargs):
        return kwargs[name], name


def _judge_number(entry, value, ours):
    standard_error = ours["sd"] / math.sqrt(ours.get("n") or 1) if _is_finite(ours.get("sd")) else 0
    combined = 2 * math.hypot(entry.get("sd", 0), standard_error)
    allowed = max(combined, entry.get("tolerance", 0) * abs(entry["value"]))
    difference = value - entry["value"]
    size, limit = (_text(number, entry, more=1) for number in (abs(difference), float(allowed)))
    why = f"{size} {'above' if difference > 0 else 'below'}, {limit} allowed"
    if abs(difference) <= allowed:
        return Verdict("agrees", why)
    supports = difference > 0 if entry["better"] == "higher" else difference < 0
    return Verdict("same direction" if supports else "differs", why)


def _graded(value, agrees, same_direction, why):
    if value >= agrees:
        return Verdict("agrees", why)
    return Verdict("same direction" if value > same_direction else "differs", why)


def _is_finite(value):
    return value is not None and (not isinstance(value, float) or math.isfinite(value))


def _published_text(entry):
    if entry["kind"] == "ordering":
        return "claimed"
    sign = {"at_least": "≥ ", "at_most": "≤ "}.get(entry.get("bound"), "")
    if "value" not in entry:
        return ""
    return sign + " ± ".join(_text(entry[part], entry, digits=9) for part in ("value", "sd") if part in entry)


def _ours_text(entry, ours):
    if not _is_finite(ours.get("value")):
        return ""
    if entry["kind"] in SHARES:
        return f"{ours['value']:.0%}"
    return " ± ".join(_text(ours[part], entry) for part in ("value", "sd") if _is_finite(ours.get(part)))


def _text(value, entry, more=0, digits=4):
    """A number with the decimals of an entry and `more`, as far as `digits` digits allow; else with so many digits."""
    if not isinstance(value, float):
        return str(value)
    if "decimals" not in entry:
        return f"{value:.{digits}g}"
    room = max(digits - len(f"{abs(value):.0f}"), 0)
    return f"{value:.{min(entry['decimals'] + more, room)}f}"
