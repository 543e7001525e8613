from tools.site.terms import glossary_terms, link_terms

GLOSSARY = """# Glossary

A page.

```{glossary}
fold
  A part of the samples.

$R^2$
  Of a score.

RMSE
MAE
  Two errors.

transfer learning
  From one question to another.
```
"""


def markdown(text):
    return {"cell_type": "markdown", "source": [text]}


def test_terms_are_the_lines_of_the_glossary_but_formulas():
    assert glossary_terms(GLOSSARY) == ["fold", "RMSE", "MAE", "transfer learning"]


def test_the_first_use_in_prose_is_linked_and_stands_in_the_index():
    cells = [
        markdown("# A fold\n\n`fold`, $fold$, ten-fold; [a fold](x.md).\n\n<div>fold\n\nNow two Folds, one fold."),
        {"cell_type": "code", "source": ["MAE"]},
        markdown("```{note}\nMAE\n```\nOf transfer\nlearning the MAE.\n\n    RMSE\n"),
    ]
    first, code, second = link_terms(cells, glossary_terms(GLOSSARY))
    assert first["source"] == (
        "# A fold\n\n```{index} single: fold\n```\n\n`fold`, $fold$, ten-fold; [a fold](x.md).\n\n<div>fold\n\n"
        "Now two {term}`Folds <fold>`, one fold."
    )
    assert code == cells[1]
    assert second["source"] == (
        "```{index} single: transfer learning\n```\n\n```{index} single: MAE\n```\n\n"
        "```{note}\nMAE\n```\nOf {term}`transfer learning <transfer learning>` the {term}`MAE <MAE>`.\n\n    RMSE\n"
    )
