from __future__ import annotations

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from solvers.districting.connected.connectivity import CUT, TOO_MANY, Scratch, cut_off
from solvers.districting.problem import Graph
from tests.solvers.districting.maps import grown, planar_map

EVERY = 10**6


def compressed(graph: nx.Graph) -> Graph:
    ends = np.array(list(graph.edges), np.int64).reshape(-1, 2)
    return Graph.of_pairs(graph.number_of_nodes(), ends[:, 0], ends[:, 1])


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(5, 60), st.integers(1, 4))
def test_what_is_cut_off_is_what_networkx_finds(seed: int, n: int, m: int) -> None:
    rng = np.random.default_rng(seed)
    _, graph = planar_map(n, rng, thinned=rng.uniform(0.0, 0.6))
    assignment, arrays = grown(graph, m, rng), compressed(graph)
    scratch = Scratch.of(arrays)
    for i in range(n):
        inside = np.flatnonzero(assignment == assignment[i])
        others = inside[inside != i]
        pieces = sorted(nx.connected_components(graph.subgraph(others.tolist())), key=len)
        keep = int(rng.choice(others)) if len(others) and rng.random() < 0.7 else -1
        count = cut_off(arrays.start, arrays.neighbour, assignment, i, keep, EVERY, EVERY, scratch)
        lost = set(scratch.unit[:count, CUT].tolist())
        assert len(lost) == count
        if keep >= 0:
            assert lost == set().union(*[p for p in pieces if keep not in p])
        else:
            # Of several largest pieces any may stay.
            assert count == len(others) - (len(pieces[-1]) if pieces else 0)
            assert all(p <= lost or not p & lost for p in pieces)
        if count:
            few = int(rng.integers(count))
            assert cut_off(arrays.start, arrays.neighbour, assignment, i, keep, few, EVERY, scratch) == TOO_MANY
            assert cut_off(arrays.start, arrays.neighbour, assignment, i, keep, count, EVERY, scratch) == count


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(0, 12))
def test_a_check_that_runs_out_of_patience_never_says_that_a_territory_holds_together(seed: int, patience: int) -> None:
    rng = np.random.default_rng(seed)
    _, graph = planar_map(50, rng, thinned=0.5)
    assignment, arrays = grown(graph, 2, rng), compressed(graph)
    scratch = Scratch.of(arrays)
    for i in range(50):
        others = np.flatnonzero((assignment == assignment[i]) & (np.arange(50) != i)).tolist()
        whole = not others or nx.is_connected(graph.subgraph(others))
        found = cut_off(arrays.start, arrays.neighbour, assignment, i, -1, EVERY, patience, scratch)
        assert whole or found != 0


@pytest.mark.parametrize("most", [0, EVERY])
def test_a_ring_holds_together_without_one_unit_and_a_path_does_not(most: int) -> None:
    ring, path = compressed(nx.cycle_graph(9)), compressed(nx.path_graph(9))
    one = np.zeros(9, np.int32)
    assert cut_off(ring.start, ring.neighbour, one, 4, 0, most, EVERY, Scratch.of(ring)) == 0
    expected = 4 if most else TOO_MANY
    assert cut_off(path.start, path.neighbour, one, 4, 0, most, EVERY, Scratch.of(path)) == expected
    assert cut_off(path.start, path.neighbour, one, 8, 0, most, EVERY, Scratch.of(path)) == 0
