"""Shared helpers for the figures of reports."""

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
    """Creates a figure with a grid of panels.

    Args:
        rows (`int`), columns (`int`): Size of the grid.
        title (`str`): Title of the figure.
        width (`float`, *optional*, defaults to 4), height (`float`, *optional*, defaults to 3): Inches per panel.
        kwargs: Additional arguments for `Figure.subplots`.

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
    """Plots values by their index (the step), skipping missing values."""
    values = pd.to_numeric(values).dropna()
    panel.plot(values.index, values, **style)


def start_at_zero(*panels: Axes) -> None:
    """Starts the y-axis at 0, unless there are negative values. The panels must share their y-axis."""
    lowest = 0.0
    for panel in panels:
        for line in panel.lines:
            lowest = np.min(line.get_ydata(), initial=lowest)
    if lowest >= 0:
        panels[0].set_ylim(bottom=0)


def save_figure(figure: Figure, path: Path) -> None:
    """Saves a figure."""
    figure.savefig(path, dpi=DPI)
