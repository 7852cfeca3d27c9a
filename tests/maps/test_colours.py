from __future__ import annotations

import itertools

import networkx as nx
import numpy as np
import pytest
import shapely

from maps.pages.colours import (
    BACKGROUND,
    FILL_OPACITY,
    LEAST_DELTA_E,
    PALETTE,
    darker,
    territory_adjacency,
    territory_colours,
)

# Machado, Oliveira & Fernandes (2009), table 1, severity 1.0; applied to linear RGB.
VISION = {
    "normal": np.eye(3),
    "protanopia": np.array(
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
    ),
    "deuteranopia": np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
    ),
}


def rgb(colour):
    return np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255


def lab(colour, vision):
    """CIE Lab (D65) of a filled area as seen: the colour laid over the page's background."""
    seen = rgb(colour) * FILL_OPACITY + rgb(BACKGROUND) * (1 - FILL_OPACITY)
    linear = np.where(seen <= 0.04045, seen / 12.92, ((seen + 0.055) / 1.055) ** 2.4)
    linear = np.clip(VISION[vision] @ linear, 0, 1)
    to_xyz = np.array(
        [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
    )
    t = to_xyz @ linear / np.array([0.95047, 1.0, 1.08883])
    f = np.where(t > 216 / 24389, np.cbrt(t), (24389 / 27 * t + 16) / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


@pytest.mark.parametrize("vision", VISION)
def test_any_two_colours_stay_apart_for_every_kind_of_sight(vision):
    seen = {c: lab(c, vision) for c in PALETTE}
    nearest = min(np.linalg.norm(seen[a] - seen[b]) for a, b in itertools.combinations(PALETTE, 2))
    assert nearest >= LEAST_DELTA_E


def test_up_to_nine_territories_all_have_their_own_colour():
    assert len(set(territory_colours(nx.empty_graph(9)))) == 9


def test_neighbours_never_share_a_colour():
    grid = nx.convert_node_labels_to_integers(nx.triangular_lattice_graph(15, 30))
    colour = territory_colours(grid)
    assert all(colour[a] != colour[b] for a, b in grid.edges)
    assert len(set(colour)) == len(PALETTE)


def test_a_crowd_that_no_palette_could_tell_apart_is_still_coloured():
    assert len(territory_colours(nx.complete_graph(12))) == 12


def test_shapes_that_touch_are_neighbours_and_missing_ones_have_none():
    shapes = np.array([shapely.box(0, 0, 1, 1), shapely.box(1, 0, 2, 1), shapely.box(3, 0, 4, 1), None], dtype=object)
    assert sorted(territory_adjacency(shapes).edges) == [(0, 1)]
    assert territory_adjacency(np.full(2, None, dtype=object)).number_of_nodes() == 2


def test_darker_mixes_with_black():
    assert darker("#ff8040", 0.5) == "#804020"
