"""The book's one picture, for its first page and the README."""

from pathlib import Path


def write_headline(path: Path) -> None:
    """Draw the paper's Fig. 4 (left and centre) from the committed results into an SVG file."""
    import matplotlib as mpl

    mpl.use("agg")
    import matplotlib.pyplot as plt

    from l2l_core.plotting import curves, svg, use_style
    from l2l_core.recipes import recipe
    from l2l_core.results import obtain
    from l2l_core.store import write_atomically

    use_style()
    fig, panels = plt.subplots(1, 2, figsize=(9, 3.8))
    titles = {"quadratic": "random quadratics", "mnist": "a network on MNIST"}
    for ax, (name, title) in zip(panels, titles.items(), strict=True):
        results = obtain(recipe(name), "book")
        ax.set(yscale="log", xlabel="step", title=title)
        shown = {other: results.baseline(other)[:101] for other in ("sgd", "nag", "rmsprop", "adam")}
        learned = results.learned()[:, :101]
        ax.set_ylim(0.5 * learned.min(), 2 * learned.max())
        low, high = ax.get_ylim()
        ticks = [tick for tick in (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50) if low < tick < high]
        ax.set_yticks(ticks, [f"{tick:g}" for tick in ticks])
        ax.minorticks_off()
        curves(ax, {"lstm": learned, **shown}, centre="mean")
    panels[0].set_ylabel("mean loss over test problems")
    write_atomically(path, svg(fig).encode())
    plt.close(fig)
