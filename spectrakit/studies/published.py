"""What do checks of a paper against itself have in common? Its values by id, and the texts that show what they find."""

from inspect import isfunction
from string import Formatter


def value(published, entry_id):
    """The value of an entry; published : entries by id, as `ledger.load_published` gives them."""
    return published[entry_id]["value"]


def functions_of(module):
    """The functions that a module defines, by name; module : its `vars()`."""
    return {name: item for name, item in module.items() if isfunction(item) and item.__module__ == module["__name__"]}


def text_with_figures(text, published, figures):
    """A text whose braces name ids of the published values, or figures that a check has found."""
    values = {name: entry.get("value") for name, entry in published.items()}
    return _ByWholeName().vformat(text, (), values | figures)


class _ByWholeName(Formatter):
    """Takes the dots in a name for parts of an id, where Python would look for attributes."""

    def get_field(self, name, args, kwargs):
        return kwargs[name], name
