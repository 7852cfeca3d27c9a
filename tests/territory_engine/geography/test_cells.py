from __future__ import annotations

import h3.api.basic_int as h3
import numpy as np
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from territory_engine.geography.cells import CellLayer, cells_around
from territory_engine.geography.layer import components_of


def towns(n: int, seed: int, lat: float = 42.0, lon: float = -93.0, spread: float = 1.0) -> np.ndarray:
    return np.array([lat, lon]) + np.random.default_rng(seed).normal(0, spread, (n, 2))


def covered(places: np.ndarray, n_territories: int = 4, resolution: int | None = None) -> CellLayer:
    layer = cells_around(places, n_territories, resolution)
    assert layer is not None
    return layer


def holes(layer: CellLayer) -> int:
    """Count the regions of uncovered cells next to the covered ones, beyond the outside."""
    cells = {int(c) for c in layer.cells}
    shore = sorted({n for c in cells for n in h3.grid_ring(c, 1)} - cells)
    at = {c: i for i, c in enumerate(shore)}
    links = [(i, at[n]) for c, i in at.items() for n in h3.grid_ring(c, 1) if n in at]
    return int(components_of(len(shore), np.array(links, np.int64).reshape(-1, 2)).max())


@settings(max_examples=25, deadline=None)
@given(
    n=st.integers(1, 25),
    seed=st.integers(0, 1000),
    lat=st.sampled_from([-89.0, -17.0, 0.0, 42.0, 88.0]),
    lon=st.sampled_from([-179.9, -93.0, 0.0, 180.0]),
    resolution=st.integers(1, 4),
)
def test_every_place_is_in_a_cell_and_the_map_is_one_piece_without_holes(
    n: int, seed: int, lat: float, lon: float, resolution: int
) -> None:
    places = towns(n, seed, lat, lon)
    places[:, 0] = np.clip(places[:, 0], -90, 90)
    places[:, 1] = (places[:, 1] + 180) % 360 - 180
    layer = covered(places, resolution=resolution)
    assert layer.cells[layer.cell_of].tolist() == [h3.latlng_to_cell(*p, resolution) for p in places.tolist()]
    assert components_of(len(layer.cells), layer.pairs).max() == 0
    assert holes(layer) == 0
    assert all(h3.are_neighbor_cells(int(layer.cells[a]), int(layer.cells[b])) for a, b in layer.pairs)


def test_a_pentagon_is_a_cell_like_any_other() -> None:
    for pentagon in sorted(h3.get_pentagons(3))[:4]:
        lat, lon = h3.cell_to_latlng(pentagon)
        layer = covered(towns(12, 1, lat, lon, 2.0), resolution=3)
        assert components_of(len(layer.cells), layer.pairs).max() == 0
        assert holes(layer) == 0


def test_the_same_places_give_the_same_cells_in_any_order() -> None:
    places = towns(40, 3)
    layer, again = covered(places), covered(places[::-1])
    assert layer.cells.tolist() == again.cells.tolist()
    assert layer.cell_of.tolist() == again.cell_of[::-1].tolist()


def test_cells_are_small_enough_to_balance_territories_with() -> None:
    places = towns(800, 5)
    coarse, fine = covered(places, 4), covered(places, 40)
    assert coarse.resolution < fine.resolution
    for layer, n in ((coarse, 4), (fine, 40)):
        assert layer.companions <= max(2, 0.1 * len(places) / n)
        assert len(layer.cells) >= 30 * n


def test_accounts_at_one_address_do_not_ask_for_ever_smaller_cells() -> None:
    layer = covered(np.repeat([[42.0, -93.0]], 500, axis=0), 2)
    assert layer.resolution <= 2
    assert layer.companions == 500


def test_no_resolution_needs_more_cells_than_allowed() -> None:
    places = towns(300, 7, spread=3.0)
    limited = cells_around(places, 20, None, most=500)
    assert limited is not None
    assert len(limited.cells) <= 500
    assert cells_around(places, 20, limited.resolution + 1, most=500) is None


def test_empty_country_between_towns_is_filled_but_an_ocean_is_not() -> None:
    ring = np.array([[42 + np.sin(a), -93 + np.cos(a)] for a in np.linspace(0, 6.28, 40)])
    layer = covered(ring, resolution=5)
    assert h3.latlng_to_cell(42.0, -93.0, 5) in set(layer.cells.tolist())
    hawaii = np.vstack([ring, [[21.3, -157.8], [13.4, 144.8]]])
    layer = covered(hawaii, resolution=4)
    assert components_of(len(layer.cells), layer.pairs).max() == 0
    assert len(layer.cells) < 1000


def test_outlines_are_valid_and_cut_at_the_edge_of_the_map() -> None:
    for lat, lon in ((-17.0, 180.0), (90.0, 0.0), (-90.0, 0.0), (42.0, -93.0)):
        layer = covered(np.array([[lat, lon]]), resolution=3)
        shapes = layer.polygons()
        assert shapely.is_valid(shapes).all()
        west, south, east, north = shapely.total_bounds(shapes)
        assert (west >= -180, south >= -90, east <= 180, north <= 90) == (True,) * 4
        inside = shapely.contains_xy(shapely.union_all(shapes).buffer(1e-6), lon - 1e-3, np.clip(lat, -89.9, 89.9))
        assert inside
    dateline = covered(np.array([[-17.0, 180.0]]), resolution=3)
    assert shapely.area(dateline.polygons()).max() < 2.0
