"""Links a term of the glossary where a chapter first uses it, and lists the place in the index."""

import re

# Where a role would not be read or a link would stand inside another.
_NO_PROSE = "|".join(
    (
        r"(?P<fence>`{3,}|:{3,}).*?(?P=fence)",  # code and directives
        r"`[^`]*`",
        r"\$\$.*?\$\$|\$[^$]*\$",  # formulas
        r"!?\[[^\]]*\]\([^)]*\)",  # links
        r"^(?:#|\||:\w| {4}).*?$",  # headings, tables, options, indented code
        r"^<.*?(?:\n\n|\Z)",  # HTML
    )
)


def glossary_terms(text):
    """The terms of a glossary page, without those that are formulas."""
    entries = text.partition("```{glossary}\n")[2].partition("```")[0]
    return [line for line in entries.splitlines() if line and not line.startswith(" ") and "$" not in line]


def link_terms(cells, terms):
    """The cells of a notebook, with the first use of each term in its prose linked and put into the index."""
    # A long term first: 'transfer learning' before a shorter one inside it.
    words = "|".join(re.escape(term).replace(r"\ ", r"\s+") for term in sorted(terms, key=len, reverse=True))
    pattern = rf"(?P<other>{_NO_PROSE})|(?<![\w-])(?P<term>{words})s?\b"
    pattern = re.compile(pattern, re.MULTILINE | re.DOTALL | re.IGNORECASE)
    names, seen = {term.lower(): term for term in terms}, set()
    return [_linked(cell, pattern, names, seen) if cell["cell_type"] == "markdown" else cell for cell in cells]


def _linked(cell, pattern, names, seen):
    here = []

    def link(match):
        name = names.get(" ".join((match["term"] or "").lower().split()))
        if name is None or name in seen:
            return match[0]
        seen.add(name)
        here.append(name)
        return f"{{term}}`{' '.join(match[0].split())} <{name}>`"

    source = pattern.sub(link, "".join(cell["source"]))
    entries = "".join(f"```{{index}} single: {name}\n```\n\n" for name in here)
    # A heading stays the first thing of its cell.
    heading, text = re.match(r"(#[^\n]*\n+)?(.*)", source, re.DOTALL).groups()
    return cell | {"source": f"{heading or ''}{entries}{text}"}
