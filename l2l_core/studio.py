"""A picture that changes while it is painted, with sliders for what it should look like."""

import os
from collections.abc import Iterator
from typing import Any

import numpy as np

from l2l_core.images import encoded, shown
from l2l_core.paint import Picture, Stroke, canvas, paint
from l2l_core.plotting import GREY
from l2l_core.rule import Rule

SLIDERS = {"content": ("content_weight", 1.0), "style": ("style_weight", 10.0), "smoothness": ("smoothness", 3.0)}
"""What the reader moves: a weight of the loss, and where it stands in meta-training."""


def strip(strokes: Iterator[Stroke], steps: tuple[int, ...]) -> Any:
    """A figure of the pictures at some steps, in a row. Raises ValueError where a step was not among the strokes."""
    import matplotlib.pyplot as plt

    found = {stroke.step: stroke for stroke in strokes}
    if missing := [step for step in steps if step not in found]:
        raise ValueError(f"there is no picture at the steps {missing}; there are {[*found]}")
    figure, axes = plt.subplots(1, len(steps), figsize=(1.5 * len(steps), 1.9), squeeze=False)
    for ax, step in zip(axes[0], steps, strict=True):
        frame(ax, shown(found[step].picture), f"step {step}")
        ax.set_xlabel(f"f = {found[step].loss:.3g}", size="small", color=GREY)
    return figure


def frame(ax: Any, pixels: np.ndarray, title: str = "") -> None:
    """Show one picture on matplotlib axes, its pixels as squares, without ticks, in 20 levels a colour."""
    # a page stores its pictures: "none" keeps their own pixels, and noise of eight bits is twice as large a file
    ax.imshow(np.round(19 * pixels) / 19, interpolation="none")
    ax.set(xticks=[], yticks=[])
    ax.set_title(title, size="small", loc="center")
    for side in ax.spines.values():
        side.set_visible(False)


def studio(
    photograph: Picture, style: Picture, rule: Rule, *, side: int = 64, steps: int = 128, every: int = 4
) -> None:
    """Sliders for the weights of the loss, a button, and a picture that `rule` paints before the reader's eyes.

    Under `L2L_STATIC=1`, or without ipywidgets, the pictures at some steps stand in a row. Raises what `canvas` and
    `paint` raise; once the sliders are shown, it is written under the picture.
    """
    try:
        import ipywidgets
    except ImportError:
        ipywidgets = None
    if ipywidgets is None or os.environ.get("L2L_STATIC") == "1":
        strokes = paint(canvas(photograph, style, side), rule, steps, every=every)
        strip(strokes, tuple(sorted({0, every, *(steps * k // 4 // every * every for k in (1, 2)), steps})))
        return
    from IPython.display import display

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
