"""A picture that changes while it is painted, with sliders for what it should look like."""

import os
from collections.abc import Iterator
from typing import Any

from l2l_core.framing import Framed, Wall
from l2l_core.images import encoded, stored
from l2l_core.paint import Picture, Stroke, canvas, paint
from l2l_core.rule import Rule

SLIDERS = {"content": ("content_weight", 1.0), "style": ("style_weight", 10.0), "smoothness": ("smoothness", 3.0)}
"""What the reader moves: a weight of the loss, and where it stands in meta-training."""


def strip(strokes: Iterator[Stroke], steps: tuple[int, ...]) -> Wall:
    """The pictures at some steps, in a row. Raises ValueError where a step was not among the strokes."""
    found = {stroke.step: stroke for stroke in strokes}
    if missing := [step for step in steps if step not in found]:
        raise ValueError(f"there is no picture at the steps {missing}; there are {[*found]}")
    words = {step: f"step {step}, f = {found[step].loss:.3g}" for step in steps}
    pictures = [Framed(stored(found[t].picture), words[t], f"The picture at {words[t]}") for t in steps]
    return Wall(pictures, len(steps))


def studio(
    photograph: Picture, style: Picture, rule: Rule, *, side: int = 64, steps: int = 128, every: int = 4
) -> None:
    """Sliders for the weights of the loss, a button, and a picture that `rule` paints before the reader's eyes.

    Under `L2L_STATIC=1`, or without ipywidgets, the pictures at some steps stand in a row. Raises ImportError outside
    of notebooks, where there is no IPython, and what `canvas` and `paint` raise; once the sliders are shown, that is
    written under the picture.
    """
    try:
        from IPython.display import display
    except ImportError as error:
        raise ImportError("a studio needs a notebook (IPython); elsewhere loop over l2l_core.paint.paint") from error
    try:
        import ipywidgets
    except ImportError:
        ipywidgets = None
    if ipywidgets is None or os.environ.get("L2L_STATIC") == "1":
        strokes = paint(canvas(photograph, style, side), rule, steps, every=every)
        display(strip(strokes, tuple(sorted({0, every, *(steps * k // 4 // every * every for k in (1, 2)), steps}))))
        return

    def logarithmic(name: str, value: float) -> Any:
        return ipywidgets.FloatLogSlider(value, min=-2, max=3, step=0.25, description=name, continuous_update=False)

    sliders = {key: logarithmic(name, value) for name, (key, value) in SLIDERS.items()}
    button, said = ipywidgets.Button(description="Paint"), ipywidgets.Label()
    # a picture that is replaced, not an Output: that stalls kernels run by nbclient
    picture = ipywidgets.Image(format="png", width=384)

    def work(_: Any = None) -> None:
        button.disabled = True
        try:
            task = canvas(photograph, style, side, **{key: slider.value for key, slider in sliders.items()})
            for stroke in paint(task, rule, steps, every=every):
                picture.value = encoded(stroke.picture)
                said.value = f"step {stroke.step}, f = {stroke.loss:.3g}"
        except (ValueError, OSError, FloatingPointError) as error:
            said.value = str(error)
        finally:
            button.disabled = False

    button.on_click(work)
    display(ipywidgets.VBox([*sliders.values(), button, picture, said]))
    work()
