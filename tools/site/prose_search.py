"""A Sphinx extension: the search of the site finds prose, not code and what code printed."""

import sphinx.search
from docutils.nodes import literal_block


class ProseIndex(sphinx.search.IndexBuilder):
    """The search index of Sphinx without blocks of code."""

    def feed(self, docname, filename, title, doctree):
        """Take a page into the index."""
        prose = doctree.deepcopy()
        for block in list(prose.findall(literal_block)):
            block.parent.remove(block)
        super().feed(docname, filename, title, prose)


def setup(_):
    """Let Sphinx make its index with `ProseIndex`; it has no setting for it."""
    sphinx.search.IndexBuilder = ProseIndex
    return {"parallel_read_safe": True, "parallel_write_safe": True}
