"""The colours of every figure, Okabe and Ito's, whichever library draws it."""

from __future__ import annotations

BLUE, ORANGE, GREEN, VERMILLION = "#0072B2", "#E69F00", "#009E73", "#D55E00"
PURPLE, SKY, BROWN = "#CC79A7", "#56B4E9", "#8C6D31"
INK, SLATE, GREY, GRID = "#1f2933", "#52606d", "#9aa5b1", "#e4e7eb"
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
