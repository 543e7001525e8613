"""What each page of the built site weighs and what is wrong with it in a browser, light and dark.

Run `python benchmarks/site_in_browser.py` after `make book`. Prints a line a page: megabytes of all files that it
loads, and the faults that `tools.site.browse.faults` finds (rules of axe, requests to other places, errors, width).
"""

import argparse
import json
from datetime import date
from pathlib import Path

from spectrakit import __version__
from tools.site.browse import chromium, faults
from tools.site.layout import Layout
from tools.site.publisher import EDITIONS, pages_in_contents

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, help="write the figures here, as JSON")
    options = parser.parse_args()
    layout, figures = Layout(Path(__file__).parents[1]), {}
    html = layout.build / EDITIONS["reader"]
    with chromium() as browser:
        for name in [*pages_in_contents(layout), "search", "genindex"]:
            path = html / f"{name}.html"
            (light, megabytes), (dark, _) = (faults(browser, path, dark=dark) for dark in (False, True))
            has_widget = "widget-view+json" in path.read_text(encoding="utf-8")
            figures[name] = {"megabytes": round(megabytes, 2), "widget": has_widget, "faults": light + dark}
            print(f"{name}: {megabytes:.2f} MB, {', '.join(light + dark) or 'no fault'}", flush=True)
    if options.output:
        record = {"what": "benchmarks/site_in_browser.py", "date": f"{date.today()}", "version": __version__}
        options.output.write_text(json.dumps(record | {"figures": figures}, indent=1) + "\n")
