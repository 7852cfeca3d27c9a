from __future__ import annotations

import itertools

import networkx as nx
import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from maps import territory_shapes, write_geojson, write_map
from maps.pages.colours import (
    BACKGROUND,
    FILL_OPACITY,
    LEAST_DELTA_E,
    PALETTE,
    darker,
    searched_colours,
    territory_adjacency,
    territory_colours,
)
from maps.pages.rep_colours import home_colours, written_colours

# Machado, Oliveira & Fernandes (2009), table 1, severity 1.0; applied to linear RGB.
VISION = {
    "normal": np.eye(3),
    "protanopia": np.array(
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
    ),
    "deuteranopia": np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
    ),
    "tritanopia": np.array(
        [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]]
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


def proper(graph, colour):
    return all(colour[a] != colour[b] for a, b in graph.edges)


def test_nodes_keep_the_colour_they_want_unless_a_neighbour_keeps_the_same():
    path = nx.path_graph(5)
    assert territory_colours(path, wanted=dict(enumerate([3, 4, 3, 4, 3]))) == [3, 4, 3, 4, 3]
    colour = territory_colours(path, wanted={0: 3, 1: 3, 4: 8})
    assert colour[0] == 3
    assert colour[1] != 3
    assert colour[4] == 8


def test_a_wish_outside_the_palette_is_none():
    assert set(territory_colours(nx.path_graph(2), wanted={0: 99, 1: -1, 7: 0})) <= set(range(len(PALETTE)))


@pytest.mark.parametrize("n", [11, 14, 17])
def test_a_graph_that_greedy_colouring_fails_on_is_coloured_all_the_same(n):
    # Two sides of n nodes, each joined to all of the other side but its own twin: greedy needs n colours in the worst order, two do.
    crown = nx.Graph((a, n + b) for a in range(n) for b in range(n) if a != b)
    assert proper(crown, territory_colours(crown, wanted={v: v % n % len(PALETTE) for v in crown}))


def test_what_nine_colours_can_do_is_found_by_search_and_what_they_cannot_is_refused():
    # Nine cliques of nine in a row, each node joined to those of the next clique but one: every node has 16 neighbours.
    graph = nx.Graph()
    for k in range(9):
        graph.add_edges_from((9 * k + a, 9 * k + b) for a, b in itertools.combinations(range(9), 2))
        graph.add_edges_from((9 * k + a, 9 * k + 9 + b) for a in range(9) for b in range(9) if a != b and k < 8)
    found = searched_colours(graph, {})
    assert found is not None
    assert proper(graph, found)
    assert proper(graph, territory_colours(graph))
    assert searched_colours(nx.complete_graph(10), {}) is None


@settings(max_examples=60, deadline=None)
@given(n=st.integers(1, 40), density=st.floats(0, 0.5), seed=st.integers(0, 10_000), wishes=st.booleans())
def test_neighbours_differ_and_wishes_without_clash_are_met(n, density, seed, wishes):
    graph = nx.gnp_random_graph(n, density, seed=seed)
    wanted = {v: (v * 7 + seed) % len(PALETTE) for v in graph if v % 3} if wishes else {}
    colour = territory_colours(graph, wanted=wanted)
    if not proper(graph, colour):  # then no search finds better either
        assert searched_colours(graph, {}) is None
    met = [v for v, c in wanted.items() if all(wanted.get(w) != c for w in graph[v])]
    if searched_colours(graph, {v: wanted[v] for v in met}) is not None and not any(v not in met for v in wanted):
        assert all(colour[v] == wanted[v] for v in met)


def test_reps_have_the_colour_of_their_home_in_any_plan(build_problem):
    reps = {f"R{i}": (-95.0 + i % 4, 40.0 + i // 4) for i in range(12)}
    problem = build_problem([-93.0], [41.0], reps)
    colours = home_colours(problem)
    assert set(colours) == set(reps)
    assert colours["R0"] != colours["R1"]
    assert colours["R0"] != colours["R4"]


@pytest.mark.parametrize(
    "homes", [[(-95.0, 40.0)], [(-95.0, 40.0)] * 5, [(float(x), 40.0) for x in range(5)], [(np.nan, np.nan)] * 2]
)
def test_homes_on_one_spot_on_a_line_or_nowhere_have_colours_too(build_problem, homes):
    problem = build_problem([-93.0], [41.0], {f"R{i}": place for i, place in enumerate(homes)})
    assert len(home_colours(problem)) == len(homes)


def test_a_plan_keeps_the_colours_of_another_and_writes_them(build_problem, build_plan, tmp_path):
    rng = np.random.default_rng(0)
    reps = {f"R{i}": tuple(p) for i, p in enumerate(rng.uniform((-96, 40.5), (-90, 43.5), (12, 2)))}
    problem = build_problem(rng.uniform(-96, -90, 400), rng.uniform(40.5, 43.5, 400), reps)
    shapes = territory_shapes(problem, build_plan(problem))
    write_geojson(shapes, tmp_path / "t.geojson")
    colours = written_colours(tmp_path / "t.geojson")
    assert colours == shapes["colour"].to_dict()
    turned = dict(zip(colours, [PALETTE[(PALETTE.index(c) + 1) % len(PALETTE)] for c in colours.values()], strict=True))
    assert territory_shapes(problem, build_plan(problem), colours=turned)["colour"].to_dict() == turned
    write_map(problem, build_plan(problem), tmp_path / "m.html", shapes=shapes)
    assert f'"colour":"{colours["R3"]}"' in (tmp_path / "m.html").read_text(encoding="utf-8")
    assert written_colours(tmp_path / "none.geojson") == {}


@pytest.mark.parametrize(
    "text",
    [
        "", "null", "[]", '{"features": null}', '{"features": [1]}', '{"features": [{"properties": [1]}]}', '{"features": [{}]}',
        '{"features": [{"properties": {"territory_id": "R1", "colour": ["#fdd824"]}}]}',
        '{"features": [{"properties": {"territory_id": "R1", "colour": "red;background:url(https://example.org)"}}]}',
    ],
)  # fmt: skip
def test_a_file_that_tells_no_colour_of_the_palette_tells_none(tmp_path, text):
    (tmp_path / "t.geojson").write_text(text, encoding="utf-8")
    assert written_colours(tmp_path / "t.geojson") == {}


def test_fewer_reps_leave_the_colours_of_the_others_alone(build_problem, build_plan):
    rng = np.random.default_rng(1)
    reps = {f"R{i}": tuple(p) for i, p in enumerate(rng.uniform((-96, 40.5), (-90, 43.5), (8, 2)))}
    place = rng.uniform(-96, -90, 300), rng.uniform(40.5, 43.5, 300)
    before = build_problem(*place, reps)
    after = build_problem(*place, {r: p for r, p in reps.items() if r != "R3"})
    then = territory_shapes(before, build_plan(before))["colour"]
    now = territory_shapes(after, build_plan(after), colours=home_colours(before))["colour"]
    assert now.to_dict() == then.drop("R3").to_dict()
