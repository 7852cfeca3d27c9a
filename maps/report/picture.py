"""Territories as pictures to print: inline SVG, simplified to what the picture's size can show."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import shapely
from markupsafe import Markup, escape

from maps.pages.colours import FILL_OPACITY, darker
from maps.pages.drawing import Drawing, home_points, plane_points, to_plane
from maps.pages.rep_colours import plan_colours
from maps.shapes.cells import mercator
from maps.shapes.outlines import outlines_of
from maps.shapes.territories import account_points, plane_shapes
from territory_engine.grammar import counted

if TYPE_CHECKING:
    from collections.abc import Iterable

    import geopandas as gpd
    from numpy.typing import NDArray

    from maps.report.facts import ReportFacts

_WIDTH, _MOST_HEIGHT, _LEAST_HEIGHT = 760.0, 430.0, 230.0
_REP_SIZE = (310.0, 206.0)
_MANY_HOMES = 60
_TOLERANCE_PX = 0.45
_SMALLEST_PX2 = 2.0
_LETTER_PX, _LINE_PX = 6.7, 13.0
_SMALL_LETTER_PX, _SMALL_LINE_PX = 5.6, 11.0
_MOST_DOTS = 1500
_MOST_LINES = 4000
_SUBPIXELS = 10  # coordinates are whole tenths of a pixel: short in the file, and finer than a printer's dots


@dataclass(frozen=True, eq=False)
class DrawnTerritories:
    """What the pictures of one plan share, in the plane of its maps.

    Attributes
    ----------
    shapes : ndarray of geometry, shape (n_territories,)
        None where nothing is drawn.
    colours : list of str
        ``#rrggbb`` per territory: those of ``map.html``.
    accounts : ndarray of float64, shape (n_accounts, 2)
        NaN where unknown.
    homes : ndarray of float64, shape (n_territories, 2)
        Where each territory is served from; NaN where unknown.
    bounds : tuple of float
        Low and high corner of what the picture of all shows.
    outlines : list of ndarray, shape (n_points, 2)
        Borders behind the territories.
    """

    shapes: NDArray[np.object_]
    colours: list[str]
    accounts: NDArray[np.float64]
    homes: NDArray[np.float64]
    bounds: tuple[float, float, float, float]
    outlines: list[NDArray[np.float64]]


def draw_territories(facts: ReportFacts, shapes: gpd.GeoDataFrame | None = None) -> DrawnTerritories | None:
    """Return what there is to draw; None where nothing has a place.

    Parameters
    ----------
    facts : ReportFacts
    shapes : GeoDataFrame, optional
        What :func:`maps.territory_shapes` returned for the same plan, to save growing the shapes again.
    """
    problem, plan = facts.problem, facts.plan
    drawn = Drawing(problem)
    geometry = plane_shapes(problem, plan) if shapes is None or drawn.planar else to_plane(shapes)
    if shapely.is_missing(geometry).all():
        return None
    colours = plan_colours(problem, plan, geometry) if shapes is None else list(shapes["colour"])
    accounts = account_points(problem)
    homes = np.full((len(facts.ids), 2), np.nan)
    if plan.centred:
        homes = plane_points(problem, plan.centre_places())
    elif len(problem.reps):
        homes = home_points(problem)[problem.reps.index.get_indexer(pd.Index(plan.territories["rep_id"]))]
    west, south, east, north = drawn.bounds(drawn.positions(accounts), drawn.positions(homes))
    outlines: list[NDArray[np.float64]] = []
    if drawn.planar:
        corners = np.array([[west, south], [east, north]]) / drawn.scale + drawn.low
    else:
        corners = mercator(np.array([west, east]), np.array([south, north]))
        lines = outlines_of(problem, (west, south, east, north))
        outlines = [mercator(*np.asarray(line, np.float64)[:, ::-1].T) for line in lines]
    bounds = (*map(float, corners[0]), *map(float, corners[1]))
    return DrawnTerritories(geometry, colours, accounts, homes, bounds, outlines)  # type: ignore[arg-type]  # four floats


class _View:
    """From the plane to the pixels of a picture of a given size that shows some bounds, north up."""

    def __init__(self, bounds: tuple[float, float, float, float], width: float, height: float) -> None:
        low, high = np.array(bounds[:2]), np.array(bounds[2:])
        extent = np.maximum(high - low, 1e-9)
        self.width, self.height = width, height
        self.scale = float(min(width / extent[0], height / extent[1]))
        middle = (low + high) / 2
        self.west, self.north = middle[0] - width / self.scale / 2, middle[1] + height / self.scale / 2
        self.box = (self.west, self.north - height / self.scale, self.west + width / self.scale, self.north)

    def pixels(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return points of the plane as x and y in the picture."""
        return np.column_stack([(points[:, 0] - self.west) * self.scale, (self.north - points[:, 1]) * self.scale])

    def shapes(self, geometry: NDArray[np.object_], tolerance_px: float) -> NDArray[np.object_]:
        """Return shapes as they are seen: cut to the picture and simplified together, so that neighbours still meet."""
        pad = 4 / self.scale
        box = (self.box[0] - pad, self.box[1] - pad, self.box[2] + pad, self.box[3] + pad)
        there = np.flatnonzero(~shapely.is_missing(geometry))
        there = there[shapely.intersects(geometry[there], shapely.box(*box))]
        simple = shapely.transform(_simplified(geometry[there], tolerance_px / self.scale), self.pixels)
        seen = np.full(len(geometry), None, dtype=object)
        for t, shape in zip(there.tolist(), simple, strict=True):
            seen[t] = _visible(shape, self.width, self.height)
        return seen


def _simplified(geometry: NDArray[np.object_], tolerance: float) -> NDArray[np.object_]:
    try:
        return np.asarray(shapely.coverage_simplify(geometry, tolerance), dtype=object)
    except (shapely.errors.GEOSException, TypeError, ValueError):
        # Overlaps, however thin: every shape by itself then.
        return np.asarray(shapely.simplify(geometry, tolerance), dtype=object)


def _visible(shape: shapely.Geometry | None, width: float, height: float) -> shapely.Geometry | None:
    """Return the parts of a shape that can be seen; the largest one whatever its size."""
    if shape is None:
        return None
    cut = shapely.clip_by_rect(shape if shape.is_valid else shapely.make_valid(shape), -4, -4, width + 4, height + 4)
    parts = shapely.get_parts(cut)
    parts = parts[shapely.get_type_id(parts) == 3]
    if len(parts) == 0:
        return None
    area = shapely.area(parts)
    kept = parts[(area >= _SMALLEST_PX2) | (area == area.max())]
    whole = [
        shapely.Polygon(p.exterior, [r for r in p.interiors if shapely.Polygon(r).area >= _SMALLEST_PX2]) for p in kept
    ]
    return shapely.MultiPolygon(whole)


def territory_picture(facts: ReportFacts, drawn: DrawnTerritories) -> Markup:
    """Draw all territories with the names that fit, where reps live, and the borders behind them."""
    low, high = np.array(drawn.bounds[:2]), np.array(drawn.bounds[2:])
    aspect = float((high - low)[1] / max((high - low)[0], 1e-9))
    view = _View(drawn.bounds, _WIDTH, float(np.clip(_WIDTH * aspect, _LEAST_HEIGHT, _MOST_HEIGHT)))
    # The more territories, the more borders: the picture must stay a small part of the file.
    seen = view.shapes(drawn.shapes, _TOLERANCE_PX * (1 + len(facts.ids) / 400))
    homes = view.pixels(drawn.homes)
    parts = [
        f'<path d="{_path(shape)}" fill="{colour}" stroke="{darker(colour, 0.45)}"/>'
        for shape, colour in zip(seen, drawn.colours, strict=True)
        if shape is not None
    ]
    areas = f'<g class="areas" transform="scale({1 / _SUBPIXELS:g})" fill-opacity="{FILL_OPACITY}">{"".join(parts)}</g>'
    texts = [
        _text(at, name)
        for shape, name, i in zip(seen, facts.names, facts.ids, strict=True)
        for at, name in _placed(shape, (name, i), homes, _LETTER_PX, _LINE_PX)
    ]
    small = " small" if len(facts.ids) > _MANY_HOMES else ""
    marks = f'<path class="home{small}" d="{_dots(homes)}"/><path class="home inner{small}" d="{_dots(homes)}"/>'
    said = f"Map of {counted(len(facts.ids), 'territory')}, each in a colour of its own, with names where they fit"
    return _svg(view, f"{_lines(drawn, view)}{areas}{marks}{''.join(texts)}", said, "map")


def rep_picture(facts: ReportFacts, drawn: DrawnTerritories, row: int, *, tolerance_px: float) -> Markup | None:
    """Draw one territory between its neighbours, with its accounts as dots; None where nothing of it has a place.

    What comes is ringed, what goes is hollow. Borders may be off by `tolerance_px` pixels.
    """
    mine = drawn.accounts[facts.members[row]]
    mine = mine[np.isfinite(mine).all(axis=1)]
    shape = drawn.shapes[row]
    corners = [mine] if len(mine) else []
    if shape is not None and not shape.is_empty:
        corners.append(np.array(shapely.get_coordinates(shapely.box(*shape.bounds))))
    if not corners:
        return None
    known = np.vstack(corners)
    low, high = known.min(axis=0), known.max(axis=0)
    pad = 0.06 * max(float((high - low).max()), 1e-6)
    view = _View((*(low - pad), *(high + pad)), *_REP_SIZE)
    seen = view.shapes(drawn.shapes, tolerance_px)
    colour = drawn.colours[row]
    others = "".join(_path(s) for t, s in enumerate(seen) if s is not None and t != row)
    areas = f'<path class="other" d="{others}"/>'
    if seen[row] is not None:
        areas += f'<path d="{_path(seen[row])}" fill="{colour}" stroke="{darker(colour, 0.45)}" fill-opacity="{FILL_OPACITY}"/>'
    members = facts.members[row]
    comes = members[facts.changed[members]]
    goes = np.flatnonzero((facts.owner == row) & (facts.territory != row))
    dark = darker(colour, 0.5)
    dots = f'<path class="account" stroke="{dark}" d="{_fine_dots(view.pixels(_thinned(drawn.accounts[members])))}" transform="scale(.5)"/>'
    if len(goes):
        gone = _fine_dots(view.pixels(drawn.accounts[goes]))
        dots += f'<g transform="scale(.5)"><path class="goes" stroke="{dark}" d="{gone}"/><path class="goes inner" d="{gone}"/></g>'
    if len(comes):
        come = _fine_dots(view.pixels(drawn.accounts[comes]))
        dots += (
            f'<g transform="scale(.5)"><path class="comes" d="{come}"/><path class="comes inner" d="{come}"/>'
            f'<path class="account" stroke="{dark}" d="{come}"/></g>'
        )
    home = view.pixels(drawn.homes[[row]])
    texts = [
        _text(at, name, "small")
        for t, s in enumerate(seen)
        if t != row and s is not None
        for at, name in _placed(s, (facts.names[t], facts.ids[t]), home, _SMALL_LETTER_PX, _SMALL_LINE_PX)
    ]
    marks = f'<path class="home" d="{_dots(home)}"/><path class="home inner" d="{_dots(home)}"/>'
    said = f"Map of the territory of {facts.names[row]} between its neighbours, with {counted(len(mine), 'account')}"
    group = f'<g transform="scale({1 / _SUBPIXELS:g})">{areas}</g>{dots}{marks}{"".join(texts)}'
    return _svg(view, group, said, "rep-map")


def _thinned(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Every so many points, where they are more than a picture shows."""
    return points[:: max(1, -(-len(points) // _MOST_DOTS))]


def _path(shape: shapely.Geometry) -> str:
    """Return a polygon's rings as path data in tenths of pixels, every point relative to the one before."""
    parts = []
    for ring in shapely.get_rings(shapely.get_parts(shape)):
        points = np.rint(shapely.get_coordinates(ring)[:-1] * _SUBPIXELS).astype(np.int64)
        steps = np.diff(points, axis=0)
        steps = steps[(steps != 0).any(axis=1)]
        if len(steps) >= 2:
            parts.append(f"M{points[0, 0]},{points[0, 1]}l{_joined(steps)}z")
    return "".join(parts)


def _joined(steps: NDArray[np.int64]) -> str:
    return " ".join(f"{x}{',' if y >= 0 else ''}{y}" for x, y in steps.tolist())


def _dots(points: NDArray[np.float64]) -> str:
    """Return points as path data: lines without length, which round ends make into dots."""
    known = points[np.isfinite(points).all(axis=1)]
    return "".join(f"M{x:g},{y:g}h0" for x, y in np.round(known, 1).tolist())


def _fine_dots(points: NDArray[np.float64]) -> str:
    """Return points as :func:`_dots` does, in half pixels, each from the one before, and those in one place once."""
    places = np.unique(np.rint(2 * points[np.isfinite(points).all(axis=1)]).astype(np.int64), axis=0)
    if not len(places):
        return ""
    steps = np.diff(places, axis=0).tolist()
    return f"M{places[0, 0]},{places[0, 1]}h0" + "".join(f"m{x}{',' if y >= 0 else ''}{y}h0" for x, y in steps)


def _lines(drawn: DrawnTerritories, view: _View) -> str:
    """Return the borders behind the territories as one path."""
    parts: list[str] = []
    n_points = 0
    drawn_lines = np.array([shapely.LineString(view.pixels(line)) for line in drawn.outlines if len(line) > 1])
    if len(drawn_lines):
        drawn_lines = shapely.clip_by_rect(drawn_lines, -4, -4, view.width + 4, view.height + 4)
        drawn_lines = shapely.get_parts(shapely.simplify(drawn_lines, 2 * _TOLERANCE_PX))
    # Long borders matter most, and there may be more islands than a picture can show.
    for line in drawn_lines[np.argsort(-shapely.length(drawn_lines), kind="stable")]:
        points = np.rint(shapely.get_coordinates(line) * _SUBPIXELS).astype(np.int64)
        n_points += len(points)
        if n_points > _MOST_LINES or len(points) < 2:
            break
        parts.append(f"M{points[0, 0]},{points[0, 1]}l{_joined(np.diff(points, axis=0))}")
    path = f'<path class="outline" d="{"".join(parts)}"/>'
    return f'<g transform="scale({1 / _SUBPIXELS:g})">{path}</g>' if parts else ""


def _placed(
    shape: shapely.Geometry | None,
    names: Iterable[str],
    marks: NDArray[np.float64],
    letter: float,
    line: float,
) -> list[tuple[tuple[float, float], str]]:
    """Return where the first of some names fits into a shape without covering a mark; an empty list where none does."""
    if shape is None:
        return []
    part = max(shapely.get_parts(shape), key=lambda p: p.area)
    if part.area < letter * line:
        return []
    circle = shapely.maximum_inscribed_circle(part, tolerance=2.0)
    x, y = shapely.get_coordinates(circle)[0]
    for name in dict.fromkeys(names):
        half = (letter * len(name) / 2 + 2, line / 2)
        for down in (0.0, -line, line, -2 * line, 2 * line):
            box = shapely.box(x - half[0], y + down - half[1], x + half[0], y + down + half[1])
            covered = (np.abs(marks - [x, y + down]) < [half[0] + 5, half[1] + 5]).all(axis=1).any()
            if not covered and part.contains(box):
                return [((float(x), float(y + down)), name)]
    return []


def _text(at: tuple[float, float], name: str, kind: str = "") -> str:
    size = f' class="{kind}"' if kind else ""
    return f'<text{size} x="{at[0]:.1f}" y="{at[1] + 4:.1f}">{escape(name)}</text>'


def _svg(view: _View, content: str, said: str, kind: str) -> Markup:
    return Markup(  # names are escaped where they are put in; the rest is numbers and colours
        f'<svg class="{kind}" viewBox="0 0 {view.width:g} {view.height:g}" role="img" aria-label="{escape(said)}"'
        f' xmlns="http://www.w3.org/2000/svg">{content}</svg>'
    )
