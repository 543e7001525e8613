"""Does every page of the site serve every reader, without the network?"""

from pathlib import Path

import pytest

from tools.site.browse import faults
from tools.site.layout import Layout
from tools.site.publisher import pages_in_contents

PAGES = [*pages_in_contents(Layout(Path(__file__).parents[2])), "search", "genindex"]
HEAVY, LIGHT = 6.0, 4.0  # megabytes of a page with a widget and of one without


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_accessible_self_contained_and_light(name, browser, site):
    path = site / f"{name}.html"
    text = path.read_text(encoding="utf-8")
    has_widget = "application/vnd.jupyter.widget-view+json" in text
    found, megabytes = faults(browser, path)
    assert found == []
    assert faults(browser, path, dark=True)[0] == []
    assert megabytes <= (HEAVY if has_widget else LIGHT)
    assert has_widget == ("embed-amd.js" in text)
    assert "mybinder" not in text  # no repository is named that it could open


def test_search_finds_prose_and_no_code_without_a_server(page):
    def results(words):
        shown = page("search", f"?q={words}")
        shown.locator("#search-results h2", has_text="Search Results").wait_for(state="attached")
        assert shown.errors == []
        return shown.locator("#search-results li").all_inner_texts()

    assert "2. CNN regression" in results("leak")
    assert results("set_ylim") == results("hide_input") == []
