"""A widget that computes what its reader chooses, where Python runs; elsewhere it shows what was prepared."""

import html

import ipywidgets

_HERE = "On a page without Python the controls above look up what was prepared; in JupyterLab you can also compute:"


class Live(ipywidgets.VBox):
    """A prepared widget and, below it, fields, a button and what they compute.

    prepared : widget that moves without Python
    fields : {name: ipywidgets control}, the arguments of `compute`
    compute : function of `report`, to be called with the share that is done, and of the fields' values; returns a
        widget, which takes the place of the prepared one, or a text, which stands below the button
    `run` computes, as a click on the button does. A ValueError of `compute` is shown as text.
    """

    def __init__(self, prepared, fields, compute):
        self._fields, self._compute = fields, compute
        self.progress = ipywidgets.FloatProgress(description="Done", max=1.0)
        self.button = ipywidgets.Button(description="Compute", button_style="primary")
        self.answer = ipywidgets.HTML()
        self.button.on_click(lambda _: self.run())
        row = ipywidgets.HBox([self.button, self.progress])
        computing = ipywidgets.VBox([*fields.values(), row, self.answer])
        computing.add_class("spectrakit-live")  # the site hides it: no Python runs there
        super().__init__([prepared, ipywidgets.HTML(_HERE), computing])

    def run(self):
        """Compute with the values of the fields and show the outcome."""
        self.button.disabled, self.progress.value = True, 0.0
        try:
            outcome = self._compute(self._report, **{name: field.value for name, field in self._fields.items()})
        except ValueError as problem:
            outcome = str(problem)
        finally:
            self.button.disabled = False
        self.progress.value = 1.0
        if isinstance(outcome, str):
            self.answer.value = html.escape(outcome)
        else:
            self.children = (outcome, *self.children[1:])

    def _report(self, share):
        self.progress.value = share
