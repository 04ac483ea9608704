"""Figures of reports: what all of them have in common."""

from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure


WIDTH, HEIGHT = 4.0, 3.0  # inches per panel
DPI = 110


def make_panels(
    rows: int, columns: int, title: str, width: float = WIDTH, height: float = HEIGHT, **kwargs
) -> tuple[Figure, np.ndarray]:
    """A figure with a grid of panels.

    Args:
        rows (`int`), columns (`int`): Size of the grid.
        title (`str`): Title of the figure.
        width (`float`, *optional*), height (`float`, *optional*): Inches per panel.
        kwargs: Further arguments of `Figure.subplots`.

    Returns:
        `tuple[Figure, np.ndarray]`: The figure and its panels, an array of `rows` × `columns`.
    """
    figure = Figure(figsize=(width * columns, height * rows + 0.5), layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False, **kwargs)
    figure.suptitle(title)
    for panel in panels.flatten():
        panel.grid(alpha=0.3)
    return figure, panels


def plot_series(panel: Axes, values: pd.Series, **style) -> None:
    """Draws values against their index, the step. Missing ones are left out."""
    values = pd.to_numeric(values).dropna()
    panel.plot(values.index, values, **style)


def start_at_zero(*panels: Axes) -> None:
    """Lets the vertical axis of panels that share it start at 0, unless there are negative values."""
    lowest = 0.0
    for panel in panels:
        for line in panel.lines:
            lowest = np.min(line.get_ydata(), initial=lowest)
    if lowest >= 0:
        panels[0].set_ylim(bottom=0)


def save_figure(figure: Figure, path: Path) -> None:
    """Writes a figure as PNG."""
    figure.savefig(path, dpi=DPI)
