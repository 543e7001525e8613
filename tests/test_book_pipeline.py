"""Does the book's pipeline build what is sound, once, and refuse what is not? Every test runs the real tools."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from tools.site.__main__ import main
from tools.site.executor import chapter_key, execute_chapters, forget_removed_chapters, is_current
from tools.site.lab import hand_out, prepare_lab
from tools.site.layout import BookError, Layout
from tools.site.pairs import EDITED, RUN, STALE, check_pairs, notebook_state, notebook_text, write_pairs
from tools.site.publisher import build_site, edition_cells, pages_in_contents, stage

ROOT = Path(__file__).parents[1]
CONTENTS = "format: jb-book\nroot: intro\nchapters:\n  - file: 01_first\n  - file: 02_second\n"
FIRST = """\
# %% [markdown]
# # First
#
# ## A place
#
# See [the second chapter](02_second.ipynb).

# %% [markdown]
# ```{exercise-start}
# :label: ex-sum
# ```
# Add one and one.

# %% [markdown]
# ```{exercise-end}
# ```

# %% [markdown]
# ```{solution-start} ex-sum
# :class: dropdown
# ```

# %%
print("the sum is", 1 + 1)

# %% [markdown]
# ```{solution-end}
# ```
"""
SECOND = """\
# %% [markdown]
# # Second

# %%
import spectrakit

print(spectrakit.MARK)
"""
REPOSITORY = "https://github.com/soils/book"
# Python runs a module of this name when it starts: here it writes down, and refuses, each call for the network.
OFFLINE = """\
import socket

def refused(*about, **_):
    note(f"asked for {about}")
    raise OSError("no network while the site is built")

def note(text):
    with open(__file__ + ".txt", "a") as file:
        file.write(text + "\\n")

note("began")
socket.socket.connect = socket.socket.connect_ex = socket.getaddrinfo = socket.create_connection = refused
"""


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch):
    monkeypatch.delenv("SPECTRAKIT_PROFILE", raising=False)
    monkeypatch.delenv("SPECTRAKIT_DATA", raising=False)


def write_book(root):
    """A book of two chapters, with the kit's own configuration and assets and a package of one constant."""
    texts = {
        "spectrakit/__init__.py": "MARK = 'made of the checkout'\n",
        "data/lines.csv": "wavelength_nm\n422.67\n",
        "requirements.txt": "numpy==2.4.6\n",
        "_toc.yml": CONTENTS,
        "_config.yml": (ROOT / "_config.yml").read_text().replace('url: ""', f"url: {REPOSITORY}", 1),
        "book/intro.md": "# A book\n\nBegin with [the place](01_first.ipynb#a-place).\n",
        "book/01_first.py": FIRST,
        "book/02_second.py": SECOND,
    }
    for name, text in texts.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    shutil.copytree(ROOT / "book" / "assets", root / "book" / "assets")
    layout = Layout(root)
    write_pairs(layout)
    return layout


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A sound book, its chapters run and its site built."""
    layout = write_book(tmp_path_factory.mktemp("finished"))
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("SPECTRAKIT_PROFILE", raising=False)
        patch.delenv("SPECTRAKIT_DATA", raising=False)
        execute_chapters(layout)
        (layout.root / "offline").mkdir()
        (layout.root / "offline" / "sitecustomize.py").write_text(OFFLINE)
        patch.setenv("PYTHONPATH", str(layout.root / "offline"))
        build_site(layout)
    return layout


@pytest.fixture
def book(finished, tmp_path):
    """A copy of the finished book, to be changed."""
    shutil.copytree(finished.root, tmp_path / "copy")
    return Layout(tmp_path / "copy")


def rewrite(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def outputs(layout, chapter):
    notebook = json.loads((layout.executed / f"{chapter}.ipynb").read_text())
    return "".join("".join(output["text"]) for cell in notebook["cells"] for output in cell.get("outputs", []))


def run_times(layout):
    return {path.name: path.stat().st_mtime_ns for path in layout.executed.glob("*.ipynb")}


# Site


def test_with_the_address_of_a_repository_pages_can_be_launched(finished):
    page = (finished.build / "html" / "01_first.html").read_text()
    assert 'href="https://mybinder.org/v2/gh/soils/book/main?urlpath=lab/tree/book/01_first.ipynb"' in page
    assert 'href="https://colab.research.google.com/github/soils/book/blob/main/book/01_first.ipynb"' in page


def test_icons_that_no_page_shows_are_left_out(finished):
    static = finished.build / "html" / "_static"
    script = (static / "scripts" / "fontawesome.js").read_text()
    assert "bars:[448,512," in script and "monero:" not in script
    assert "monero" not in (static / "styles" / "pydata-sphinx-theme.css").read_text()
    assert list(static.rglob("*.map")) == []
    widgets = (static / "vendor" / "embed-amd.js").read_text()
    assert 'define("@jupyter-widgets/base"' in widgets and 'define("@jupyter-widgets/base7"' not in widgets


# Pairs


def test_a_source_always_gives_the_same_notebook():
    text = notebook_text("# %%\n1\n\n# %%\n1\n\n# %% [markdown]\n# Naïve\n")
    notebook = nbformat.reads(text, as_version=4)
    nbformat.validate(notebook)
    assert text == notebook_text("# %%\n1\n\n# %%\n1\n\n# %% [markdown]\n# Naïve\n")
    assert [cell.id for cell in notebook.cells] == ["c553228271d4", "56d4275def58", "692c09adbd06"]
    assert [cell.source for cell in notebook.cells] == ["1", "1", "Naïve"]


def test_metadata_of_a_cell_is_kept():
    notebook = nbformat.reads(notebook_text('# %% mystnb={"image": {"alt": "A line"}} tags=["hide-input"]\n1\n'), 4)
    folded = {"tags": ["hide-input"], "jupyter": {"source_hidden": True}}  # in the site, and in JupyterLab
    assert notebook.cells[0].metadata == {"mystnb": {"image": {"alt": "A line"}}} | folded


def test_the_kits_own_pairs_are_current():
    check_pairs(Layout(ROOT))


def test_a_stale_pair_stops_the_build_and_sync_writes_it_alone(book):
    rewrite(book.book / "01_first.py", "one and one", "one and two")
    with pytest.raises(SystemExit) as exit_of:
        main(["build", "--root", str(book.root)])
    assert exit_of.value.code == (
        "book/01_first.ipynb is not what its source says\nRun `make sync` and commit the notebooks."
    )
    assert write_pairs(book) == [book.book / "01_first.ipynb"]
    check_pairs(book)


def write_answer(path, cell=-2):
    """Change a notebook as a student does in JupyterLab: fill in a cell, run it, and end with an empty cell."""
    notebook = nbformat.read(path, 4)
    notebook.cells[cell] |= {"source": "answer = 42", "execution_count": 1}
    notebook.cells.append(nbformat.v4.new_code_cell(""))
    nbformat.write(notebook, path)
    return path.read_bytes()


def test_sync_leaves_a_notebook_alone_in_which_somebody_wrote(book, capsys):
    answer = write_answer(book.book / "01_first.ipynb")
    rewrite(book.book / "02_second.py", "# Second", "# The second")
    main(["sync", "--root", str(book.root)])
    assert capsys.readouterr().out.splitlines() == [
        "wrote book/02_second.ipynb",
        "book/01_first.ipynb was changed by hand and is left alone. "
        "Move it out of book/ and run `make sync` for a new one.",
    ]
    assert (book.book / "01_first.ipynb").read_bytes() == answer
    with pytest.raises(BookError, match=r"book/01_first\.ipynb was changed by hand: move it out of book/ first"):
        check_pairs(book)


def test_the_book_is_built_beside_a_notebook_in_which_somebody_wrote(book, capsys):
    answer = write_answer(book.book / "01_first.ipynb")
    main(["build", "--root", str(book.root)])
    assert capsys.readouterr().out.splitlines()[0] == (
        "book/01_first.ipynb was changed by hand and is left alone: the book shows 01_first.py."
    )
    assert (book.book / "01_first.ipynb").read_bytes() == answer
    assert outputs(book, "01_first") == "the sum is 2\n"


@pytest.mark.parametrize(
    ("cell", "state", "once_the_source_has_changed"),
    [
        ({"execution_count": 3, "metadata": {"trusted": True}}, RUN, STALE),
        ({"source": 'print("the sum is", 1 + 1)  \n'}, RUN, STALE),
        ({"source": 'print("the sum is", 1 + 1, 1)'}, EDITED, EDITED),
        ({"source": "answer = 42", "id": "0a1b2c3d"}, EDITED, EDITED),
    ],
)
def test_what_somebody_wrote_is_known_from_outputs_and_from_an_earlier_source(
    book, cell, state, once_the_source_has_changed
):
    path = book.book / "01_first.ipynb"
    notebook = nbformat.read(path, 4)
    notebook.cells[-2] |= cell
    nbformat.write(notebook, path)
    assert notebook_state(path, notebook_text(FIRST)) == state
    assert notebook_state(path, notebook_text(SECOND)) == once_the_source_has_changed


@pytest.mark.parametrize("text", ["<<<<<<< HEAD", "{}", '{"cells": [{"cell_type": "raw", "source": "mine"}]}'])
def test_what_is_no_notebook_of_sync_counts_as_written_by_somebody(tmp_path, text):
    (tmp_path / "01_first.ipynb").write_text(text)
    assert notebook_state(tmp_path / "01_first.ipynb", notebook_text(FIRST)) == EDITED


def test_copies_for_the_lab_are_made_once(book):
    start = prepare_lab(book)
    assert sorted(path.name for path in book.work.iterdir()) == [
        "00_start.ipynb",
        "01_first.ipynb",
        "02_second.ipynb",
        "intro.md",
    ]
    page = nbformat.read(start, 4).cells[0].source
    assert page.endswith("\n1. [First](01_first.ipynb)\n2. [Second](02_second.ipynb)")
    answer = write_answer(book.work / "01_first.ipynb")
    rewrite(book.book / "02_second.py", "# Second", "# The second")
    earlier = (book.work / "02_second.ipynb").read_bytes()
    (book.work / "intro.md").unlink()
    prepare_lab(book)
    assert "[The second](" in start.read_text()
    assert (book.work / "01_first.ipynb").read_bytes() == answer
    assert (book.work / "02_second.ipynb").read_bytes() == earlier
    assert (book.work / "intro.md").exists()
    prepare_lab(book, fresh=True)
    (aside,) = book.root.glob("work-*")
    assert (aside / "01_first.ipynb").read_bytes() == answer
    assert "answer" not in (book.work / "01_first.ipynb").read_text()


def test_a_copy_for_the_lab_runs_where_it_lies(book):
    prepare_lab(book)
    notebook = nbformat.read(book.work / "02_second.ipynb", 4)
    client = NotebookClient(notebook, resources={"metadata": {"path": str(book.work)}})
    client.execute(env=os.environ | {"PYTHONPATH": str(book.root), "JUPYTER_PREFER_ENV_PATH": "1"})
    assert notebook.cells[1].outputs[0].text == "made of the checkout\n"


def test_a_notebook_without_a_source_is_refused(book):
    (book.book / "02_second.py").unlink()
    with pytest.raises(BookError, match=r"book/02_second\.ipynb has no source 02_second\.py"):
        check_pairs(book)


# Execution


def test_chapters_use_the_package_of_their_checkout(finished):
    assert outputs(finished, "02_second") == "made of the checkout\n"
    assert outputs(finished, "01_first") == "the sum is 2\n"


def test_nothing_runs_again_when_nothing_changed(book):
    before = run_times(book)
    execute_chapters(book)
    assert run_times(book) == before


def test_a_failing_cell_stops_the_build_and_its_chapter_alone_runs_again_here_on_measured_data(
    book, capsys, monkeypatch
):
    before = run_times(book)
    rewrite(book.book / "02_second.py", "spectrakit.MARK", "1 / 0")
    with pytest.raises(BookError, match="1 of 1 chapters failed: 02_second"):
        execute_chapters(book)
    assert "ZeroDivisionError" in capsys.readouterr().out
    assert not is_current(book, book.book / "02_second.py") and run_times(book) == before

    (book.root / "measured").mkdir()
    (book.root / "measured" / "soils.csv").write_text("sample_id\n")
    monkeypatch.setenv("SPECTRAKIT_DATA", "measured")  # named from the root of the checkout
    (book.book / "01_first.py").unlink()
    listing = "import os\n\nprint(os.listdir(os.environ['SPECTRAKIT_DATA']), os.environ['OMP_NUM_THREADS'])"
    rewrite(book.book / "02_second.py", "print(1 / 0)", listing)
    execute_chapters(book)
    assert outputs(book, "02_second") == "['soils.csv'] 1\n"


def test_an_interrupted_run_leaves_nothing_that_counts(book):
    rewrite(book.book / "02_second.py", "print(spectrakit.MARK)", "import time\nopen('../began', 'w')\ntime.sleep(99)")
    write_pairs(book)
    command = [sys.executable, "-m", "tools.site", "execute", "--root", str(book.root)]
    run = subprocess.Popen(command, cwd=ROOT, start_new_session=True, stdout=subprocess.DEVNULL)
    while not (book.build / "began").exists():
        assert run.poll() is None
        time.sleep(0.1)
    os.killpg(run.pid, signal.SIGKILL)
    run.wait()
    assert not is_current(book, book.book / "02_second.py")
    assert is_current(book, book.book / "01_first.py")


@pytest.mark.parametrize("name", ["book/01_first.py", "spectrakit/__init__.py", "data/lines.csv", "requirements.txt"])
def test_a_chapter_is_stale_once_a_file_that_it_reads_changes(book, name):
    assert is_current(book, book.book / "01_first.py")
    (book.root / name).write_text((book.root / name).read_text() + "# changed\n")
    assert not is_current(book, book.book / "01_first.py")


def test_a_chapter_does_not_depend_on_the_other_chapters(book):
    (book.book / "02_second.py").write_text("# %%\n")
    assert is_current(book, book.book / "01_first.py")


def test_a_chapter_is_stale_for_another_profile_or_other_measured_data(book, monkeypatch, tmp_path):
    chapter = book.book / "01_first.py"
    keys = [chapter_key(book, chapter)]
    monkeypatch.setenv("SPECTRAKIT_PROFILE", "paper")
    keys.append(chapter_key(book, chapter))
    monkeypatch.setenv("SPECTRAKIT_DATA", str(tmp_path / "measured"))
    with pytest.raises(BookError, match="which is not a folder"):
        chapter_key(book, chapter)
    (tmp_path / "measured").mkdir()
    keys.append(chapter_key(book, chapter))
    (tmp_path / "measured" / "soils.csv").write_text("sample_id\n")
    keys.append(chapter_key(book, chapter))
    assert len(set(keys)) == len(keys)


def test_the_notebook_of_a_removed_chapter_is_forgotten(book):
    (book.book / "02_second.py").unlink()
    forget_removed_chapters(book)
    assert sorted(path.name for path in book.executed.iterdir()) == ["01_first.ipynb", "01_first.key"]


def test_what_a_killed_run_left_is_removed_a_day_later(book):
    old, recent = (book.build / f"running-{name}" for name in ("old", "recent"))
    for folder in (old, recent):
        folder.mkdir()
        (folder / "01_first.ipynb").write_text("{}")
    os.utime(old, (time.time() - 90_000,) * 2)
    forget_removed_chapters(book)
    assert not old.exists() and recent.exists()
    shutil.rmtree(recent)


# The site


def test_every_page_is_built_and_loads_nothing_from_outside(finished):
    html = finished.build / "html"
    assert pages_in_contents(finished) == ["intro", "01_first", "02_second"]
    assert all((html / f"{page}.html").exists() for page in ["index", "intro", "01_first", "02_second"])
    assert "the sum is 2" in (html / "01_first.html").read_text()
    for name in ["vendor/require.js", "vendor/embed-amd.js", "vendor/mathjax/tex-mml-chtml.js", "anywidget.js"]:
        assert (html / "_static" / name).stat().st_size > 10_000


def test_the_site_is_built_without_network(finished):
    asked = (finished.root / "offline" / "sitecustomize.py.txt").read_text().splitlines()
    assert set(asked) == {"began"}


@pytest.mark.parametrize("edition", ["student", "reader"])
def test_a_zip_to_hand_out_has_site_and_notebooks_and_for_students_no_solution(book, edition):
    with zipfile.ZipFile(hand_out(book, edition)) as archive:
        texts = {name: archive.read(name).decode("utf-8", "ignore") for name in archive.namelist()}
    assert {"notebooks/01_first.ipynb", "site/index.html", "site/searchindex.js"} <= set(texts)
    assert "Add one and one." in texts["site/01_first.html"]
    with_solution = [name for name, text in texts.items() if "the sum is" in text and "_static" not in name]
    assert bool(with_solution) == (edition == "reader")
    notebook = nbformat.reads(texts["notebooks/01_first.ipynb"], 4)
    boxes = [cell.source for cell in notebook.cells if "alert-info" in cell.source]
    assert boxes == ['<div class="alert alert-block alert-info">\n\n**Exercise 1.1.** Add one and one.\n\n</div>']
    assert not any("{exercise" in cell.source or "{solution" in cell.source for cell in notebook.cells)
    hidden = [cell.source for cell in notebook.cells if cell.metadata.get("jupyter", {}).get("outputs_hidden")]
    assert hidden == (['print("the sum is", 1 + 1)'] if edition == "reader" else [])


DEAD_LINKS = """
[nowhere](nowhere.md) [no such place](01_first.ipynb#no-such-place)
"""
DEAD_HTML_LINKS = """
<a href="01_gone.html">gone</a> <a href="02_second.html#gone">gone</a> <a href="02_second.html#second">there</a>
<img src="https://example.org/a.png" alt=""> <a href="https://example.org/">elsewhere</a>
"""


def test_whatever_sphinx_finds_wrong_stops_the_build(book):
    rewrite(book.book / "intro.md", "# A book\n", f"# A book\n{DEAD_LINKS}\n```{{nosuchdirective}}\n```\n")
    (book.root / "_toc.yml").write_text(CONTENTS + "  - file: 03_third\n")
    (book.book / "forgotten.md").write_text("# Forgotten\n")
    with pytest.raises(BookError) as fault:
        build_site(book)
    for message in (
        *("'nowhere.md'", "'no-such-place'", "Unknown directive type: 'nosuchdirective'", "03_third"),
        "forgotten.md: WARNING: document isn't included in any toctree",
    ):
        assert message in str(fault.value)
    assert not (book.build / "html").exists()


def test_an_unchanged_book_is_not_built_again_and_one_with_a_dead_link_is_refused(book):
    marker = book.build / "html" / "marker"
    marker.touch()
    build_site(book)
    assert marker.exists()
    rewrite(book.book / "intro.md", "# A book\n", f"# A book\n{DEAD_HTML_LINKS}\n")
    with pytest.raises(BookError) as fault:
        build_site(book)
    assert sorted(str(fault.value).splitlines()) == [
        "intro.html: dead anchor in link to 02_second.html#gone",
        "intro.html: dead link to 01_gone.html",
        "intro.html: loads https://example.org/a.png from outside",
    ]
    assert not (book.build / "html").exists()


def test_a_vendored_file_is_what_its_hash_says(book):
    font = book.book / "assets/vendor/mathjax/output/chtml/fonts/woff-v2/MathJax_Zero.woff"
    font.write_bytes(font.read_bytes() + b"\0")
    with pytest.raises(BookError, match=r"MathJax_Zero\.woff is not the file that SHA256SUMS names"):
        stage(book, book.build / "site-reader", "reader")


def test_every_vendored_file_has_a_hash():
    vendor = ROOT / "book" / "assets" / "vendor"
    hashed = {line.split()[1] for line in (vendor / "SHA256SUMS").read_text().splitlines()}
    held = {path.relative_to(vendor).as_posix().removesuffix(".gz") for path in vendor.rglob("*.*") if path.is_file()}
    assert held - {"LICENSES.md"} == hashed


def markdown(source):
    return {"cell_type": "markdown", "source": source}


START, END = "```{solution-start} ex\n:class: dropdown\n```", ":::{solution-end}\n:::"


def test_solutions_are_left_out_for_students_alone():
    cells = [markdown(text) for text in ["before", START, "answer", END, "after"]]
    assert edition_cells(cells, "reader", "01") == cells
    assert [cell["source"] for cell in edition_cells(cells, "student", "01")] == ["before", "after"]


@pytest.mark.parametrize(
    "sources",
    [
        [START, "answer"],
        ["answer", END],
        [START, START, END],
        ["text\n\n" + START, END],
        [START + "\n\nanswer\n\n" + END],
        ["```{solution} ex\nanswer\n```"],
        ["```{solution-start} ex\n```", END],
        [START, END + "\n\nmore, which students would miss"],
    ],
)
def test_a_solution_that_students_could_see_is_refused(sources):
    with pytest.raises(BookError, match="solution"):
        edition_cells([markdown(source) for source in sources], "reader", "01")
