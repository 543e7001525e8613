"""From executed notebooks and plain pages to a site whose links all work."""

import gzip
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from importlib.resources import files
from pathlib import Path

import yaml
from sphinx_external_toc.parsing import parse_toc_yaml

from tools.site.api_page import PAGE, api_page
from tools.site.layout import BookError, Layout, files_below, hash_files
from tools.site.lighten import lighten, without_version_7
from tools.site.links import link_problems
from tools.site.terms import glossary_terms, link_terms

EDITIONS = {"reader": "html", "student": "html-student"}
_SOLUTION_START = re.compile(r"\s*(`{3,}|:{3,})\{solution-start\}")
_SOLUTION_END = re.compile(r"\s*(`{3,}|:{3,})\{solution-end\}")
_NOTHING_BUT_END = re.compile(r"(`{3,}|:{3,})\{solution-end\}\s*\1\s*")
_SOLUTION = re.compile(r"(`{3,}|:{3,})\{solution(-start|-end)?\}")


def build_site(layout: Layout, edition="reader"):
    """Build one edition from the executed notebooks unless it is up to date; returns the path of index.html."""
    site, html = layout.build / f"site-{edition}", layout.build / EDITIONS[edition]
    inputs = html / ".inputs"
    stage(layout, site, edition)
    key = _site_key(layout, site)
    if not (inputs.exists() and inputs.read_text() == key):
        _run_jupyter_book(layout, site, html)
        lighten(html)
        _check_pages(layout, html)
        inputs.write_text(key)
    return html / "index.html"


def stage(layout, site, edition):
    """Gather in `site` what Sphinx reads: executed notebooks, pages and assets, but no chapter's .py."""
    shutil.rmtree(site, ignore_errors=True)
    site.mkdir(parents=True)
    for page in layout.book.glob("*.md"):
        shutil.copyfile(page, site / page.name)
    if PAGE in pages_in_contents(layout):
        (site / f"{PAGE}.md").write_text(api_page(), encoding="utf-8")
    glossary = layout.book / "glossary.md"
    terms = glossary_terms(glossary.read_text(encoding="utf-8")) if glossary.exists() else []
    for chapter in layout.chapters():
        notebook = json.loads((layout.executed / f"{chapter.stem}.ipynb").read_text(encoding="utf-8"))
        notebook["cells"] = link_terms(edition_cells(notebook["cells"], edition, chapter.stem), terms)
        text = json.dumps(notebook, indent=1, ensure_ascii=False).replace("<th></th>", "<td></td>")
        (site / f"{chapter.stem}.ipynb").write_text(text, encoding="utf-8")
    _stage_assets(layout, site / "assets")


def edition_cells(cells, edition, chapter):
    """Cells of one edition: all of them for a reader, without the solutions for students.

    A solution stands between a cell that opens with `solution-start` and one that opens with `solution-end`. Anything
    else raises BookError, since students would see it.
    """
    kept, inside = [], False
    for number, cell in enumerate(cells, start=1):
        source = "".join(cell["source"]) if cell["cell_type"] == "markdown" else ""
        starts, ends = _SOLUTION_START.match(source), _SOLUTION_END.match(source)
        if len(_SOLUTION.findall(source)) != bool(starts or ends) or (bool(starts) == inside and (starts or ends)):
            raise BookError(
                f"{chapter}, cell {number}: a solution is one cell that opens with solution-start, its content, "
                "and one cell that opens with solution-end."
            )
        if ends and not _NOTHING_BUT_END.fullmatch(source.strip()):
            raise BookError(f"{chapter}, cell {number}: what follows solution-end belongs in another cell.")
        if starts and ":class: dropdown" not in source:
            raise BookError(f"{chapter}, cell {number}: give solution-start the option `:class: dropdown`.")
        inside = bool(starts) or (inside and not ends)
        if edition == "reader" or not (inside or ends):
            kept.append(cell)
    if inside:
        raise BookError(f"{chapter}: a solution-start has no solution-end.")
    return kept


def _stage_assets(layout, assets):
    source = layout.book / "assets"
    for path in files_below(source):
        target = assets / path.relative_to(source)
        target.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == ".gz":
            target.with_suffix("").write_bytes(gzip.decompress(path.read_bytes()))
        else:
            shutil.copyfile(path, target)
    _check_vendored(assets / "vendor")
    widgets = assets / "vendor" / "embed-amd.js"
    widgets.write_text(without_version_7(widgets.read_text(encoding="utf-8")), encoding="utf-8")
    anywidget = files("anywidget") / "nbextension" / "index.js"
    (assets / "anywidget.js").write_bytes(anywidget.read_bytes())


def _check_vendored(vendor):
    for line in (vendor / "SHA256SUMS").read_text().splitlines():
        digest, name = line.split(maxsplit=1)
        if hashlib.sha256((vendor / name).read_bytes()).hexdigest() != digest:
            raise BookError(f"book/assets/vendor/{name} is not the file that SHA256SUMS names.")


def _site_key(layout, site):
    read = files_below(site) + files_below(layout.root / "tools")
    read += [layout.root / name for name in ("_config.yml", "_toc.yml", "requirements.txt")]
    return hash_files(layout.root, [path for path in read if path.exists()])


def _run_jupyter_book(layout, site, html):
    work = layout.build / "sphinx"
    shutil.rmtree(work, ignore_errors=True)
    shutil.rmtree(html, ignore_errors=True)
    command = [str(Path(sys.executable).with_name("jupyter-book")), "build", str(site), "-q"]
    command += ["--path-output", str(work), "--config", str(_configuration(layout))]
    command += ["--toc", str(layout.root / "_toc.yml"), "-W", "-n", "--keep-going"]
    # The extension in tools.site is found from here.
    places = [str(Path(__file__).parents[2]), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(places)}
    run = subprocess.run(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if run.returncode != 0:
        raise BookError(f"{run.stdout}\nThe site was not built; mend the warnings above.")
    os.replace(work / "_build" / "html", html)
    shutil.rmtree(work)


def _configuration(layout):
    """Path of `_config.yml`, or of a copy without launch buttons where no repository is named that they could open."""
    path = layout.root / "_config.yml"
    settings = yaml.safe_load(path.read_text(encoding="utf-8"))
    if settings.get("repository", {}).get("url"):
        return path
    settings.pop("repository", None)
    copy = layout.build / "_config.yml"
    copy.write_text(yaml.safe_dump(settings | {"launch_buttons": {"thebe": False}}, sort_keys=False), encoding="utf-8")
    return copy


def _check_pages(layout, html):
    pages = ["index.html", *(f"{page}.html" for page in pages_in_contents(layout))]
    problems = [f"{page}: named in _toc.yml, but not built" for page in pages if not (html / page).exists()]
    problems += link_problems(html)
    if problems:
        shutil.rmtree(html)
        raise BookError("\n".join(problems))


def pages_in_contents(layout):
    """Names of the pages in `_toc.yml`, root first."""
    return list(parse_toc_yaml(layout.root / "_toc.yml"))
