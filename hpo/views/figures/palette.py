"""The colours of every figure, Okabe and Ito's, whichever library draws it."""

from __future__ import annotations

BLUE = "#0072B2"
ORANGE = "#E69F00"
GREEN = "#009E73"
VERMILLION = "#D55E00"
PURPLE = "#CC79A7"
SKY = "#56B4E9"
BROWN = "#8C6D31"
INK = "#1f2933"
SLATE = "#52606d"
GREY = "#9aa5b1"
GRID = "#e4e7eb"
PAPER = "white"

BAND = {"fillcolor": VERMILLION, "opacity": 0.1, "line_width": 0, "layer": "below"}
"""The band of the reported result, for plotly."""

DARK = {
    BLUE: "#4aa3df",
    GREEN: "#2cc295",
    VERMILLION: "#ff8a3d",
    BROWN: "#c9a25a",
    INK: "#e6eaee",
    SLATE: "#a9b6c3",
    GREY: "#7b8794",
    GRID: "#36414c",
    PAPER: "#1b232b",
}
"""Colours on a dark page; the others suit both backgrounds. The mapping is one to one,
so that an open page can change back, and print on white."""
