"""Does the kit keep to what SECURITY.md says?"""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from spectrakit.cli.terminal import as_table, plain
from spectrakit.teaching import figures

PACKAGE = Path(__file__).parents[1] / "spectrakit"
UNSAFE = {"eval", "exec", "load_module", "unsafe_load", "full_load"}
NO_NETWORK = """
import importlib, pkgutil, socket, sys
def refused(*_, **__): raise AssertionError("the network was asked")
socket.socket.connect = socket.socket.connect_ex = socket.getaddrinfo = socket.create_connection = refused
import spectrakit
for module in pkgutil.walk_packages(spectrakit.__path__, "spectrakit."):
    importlib.import_module(module.name)
from spectrakit.cli import main
try:
    main(["simulate", "gejiu", "-n", "20", "-o", sys.argv[1]])
except SystemExit as end:
    assert end.code == 0
try:
    main(["check", sys.argv[1], "--axis", "nm", "--signal", "reflectance"])
except SystemExit as end:
    assert end.code == 0
print("done")
"""


def test_nothing_is_evaluated_or_unpickled_but_what_a_cluster_was_given():
    found = set()
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                name = ast.unparse(node.func)
                unsafe = name in UNSAFE or name.split(".")[-1] in UNSAFE - {"eval"} or "pickle." in name
                if unsafe or name in ("torch.load", "yaml.load", "np.load"):
                    found.add((path.name, name))
    assert found == {
        ("tasks.py", "pickle.load"),
        ("tasks.py", "cloudpickle.dump"),
        ("ledger.py", "yaml.load"),  # by SafeLoader
    }


def test_nothing_asks_the_network(tmp_path):
    run = subprocess.run(
        [sys.executable, "-c", NO_NETWORK, str(tmp_path / "soils.csv")],
        capture_output=True,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    assert run.stdout.splitlines()[-1:] == ["done"], run.stderr


def test_text_of_files_is_shown_and_not_followed(run, tmp_path):
    names = ["[red]a[/red]", "\x1b[2Jb", "=1+1", "<script>alert(1)</script>"]
    rows = "".join(f'"{name}",{at + 1},0.2,0.3\n' for at, name in enumerate(names))
    (tmp_path / "soils.csv").write_text(f"sample_id,[bold]\x1b[31mna,400,401\n{rows}")
    code, out, err = run("check", "soils.csv", "--axis", "nm", "--signal", "reflectance")
    text = "\n".join(out)
    assert code == 0 and "\x1b" not in text and "[bold]?[31mna" in text
    code, out, err = run("transfer", "soils.csv", "--target", "\x1b[31mx")
    assert code == 2 and "\x1b" not in err[0] and len(err) == 1
    assert plain("a\nb\x07\u202ec") == "a b??c"


def test_markup_in_tables_of_pages_and_terminals_is_escaped():
    frame = pd.DataFrame({"<b>x</b>": ["<script>"]}, index=pd.Index(["[red]r[/red]"], name="[i]n[/i]"))
    html = figures.show_table(frame, "<i>caption</i>").data
    assert "<script>" not in html and "<b>x" not in html and "<i>" not in html and "&lt;b&gt;x" in html
    table = as_table(frame, "[red]t[/red]")
    from rich.console import Console

    with (console := Console(width=80, color_system=None)).capture() as shown:
        console.print(table)
    assert "[red]t[/red]" in shown.get() and "[red]r[/red]" in shown.get() and "[i]n[/i]" in shown.get()


@pytest.mark.skipif(os.name != "posix", reason="permissions are POSIX's")
def test_what_goes_to_workers_is_readable_for_its_user_alone(tmp_path):
    from spectrakit.runs.tasks import Cluster

    class Client:
        def map(self, function, tasks, pure):
            self.mode = (tmp_path / "shared.pickle").stat().st_mode & 0o777
            raise RuntimeError

    client = Client()
    with pytest.raises(RuntimeError):
        list(Cluster(client, "here")(len, [1], [2], tmp_path))
    assert client.mode == 0o600 and not list(tmp_path.iterdir())
