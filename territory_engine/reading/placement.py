"""Accounts and reps put on the map: coordinates checked, postal codes looked up, and what remains said aloud."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from territory_engine.grammar import counted
from territory_engine.reading.columns import ConfigFinding, Sheet
from territory_engine.reading.location import country_code, locator_for, registered_countries

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from territory_engine.errors import Finding

_BULK_MARGIN_DEGREES = 5.0


def place(sheet: Sheet, *, metric: str, required: bool, on_unlocated: str) -> None:
    """Give every record float coordinates, ``location_source`` and ``location_precision_km``.

    Parameters
    ----------
    sheet : Sheet
        Gets findings for coordinates that are impossible, and for records that cannot be placed.
    metric : {"haversine", "euclidean"}
        ``"euclidean"`` reads ``x`` and ``y``; ``"haversine"`` ``latitude`` and ``longitude``, then ``postal_code``.
    required : bool
        Whether travel needs a place; otherwise a missing one is fine.
    on_unlocated : {"error", "assign"}
        What happens to a record without a place where one is required.
    """
    if metric == "euclidean":
        _place_on_plane(sheet, required and on_unlocated == "error", required)
        return
    latitude, longitude, given = _read_coordinates(sheet)
    source = np.where(given, "given", "none").astype(object)
    precision = np.where(given, 0.0, np.nan)
    _keep_earlier_source(sheet, given, source, precision)
    columns: dict[str, Any] = {}
    open_ = np.isnan(latitude) & np.isnan(longitude) & ~_half_or_wrong(sheet)
    if sheet.has("postal_code"):
        codes = sheet.text("postal_code")
        columns["postal_code"] = codes
        _place_by_postal_code(sheet, codes, open_, latitude, longitude, source, precision)
    unplaced = (source == "none") & ~_half_or_wrong(sheet)
    if required and unplaced.any():
        _report_unplaced(sheet, unplaced, on_unlocated)
    sheet.frame = sheet.frame.assign(
        **columns, latitude=latitude, longitude=longitude,
        location_source=pd.Series(source, index=sheet.frame.index, dtype=str), location_precision_km=precision,
    )  # fmt: skip


def _half_or_wrong(sheet: Sheet) -> NDArray[np.bool_]:
    """Records that already have a finding about their coordinates: they are not placed otherwise."""
    own = {sheet.own_name("latitude"), sheet.own_name("longitude")}
    return _rows_of(sheet, [f for f in sheet.findings if f.column in own])


def _rows_of(sheet: Sheet, findings: list[Finding]) -> NDArray[np.bool_]:
    """Records that the findings are about."""
    rows = [f.row for f in findings if f.row is not None]
    return np.isin(sheet.rows, rows) if rows else np.zeros(len(sheet), bool)


def _read_coordinates(sheet: Sheet) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.bool_]]:
    """Read latitude and longitude; a finding for each that is half given or impossible."""
    missing = np.full(len(sheet), np.nan)
    have = [c for c in ("latitude", "longitude") if sheet.has(c)]
    if len(have) == 1:
        other = "longitude" if have == ["latitude"] else "latitude"
        what = f"has a column {sheet.own_name(have[0])!r} but none for {other}"
        listed = ", ".join(map(str, sheet.frame.columns[:40]))
        remedy = f"name it in [data.columns], or remove {have[0]}"
        sheet.findings.append(ConfigFinding(what, sheet.file, allowed=listed, remedy=remedy))
    if len(have) < 2:
        return missing.copy(), missing.copy(), np.zeros(len(sheet), bool)
    before = len(sheet.findings)
    latitude = sheet.numbers("latitude", blank=None, minimum=None, allowed="decimal degrees from -90 to 90")
    longitude = sheet.numbers("longitude", blank=None, minimum=None, allowed="decimal degrees from -180 to 180")
    blank_lat, blank_lon = np.isnan(latitude), np.isnan(longitude)
    remedy = "fill both latitude and longitude, or leave both blank to use the postal code"
    readable = ~_rows_of(sheet, sheet.findings[before:])
    sheet.flag(blank_lat & ~blank_lon & readable, "latitude", "is blank where longitude is given",
               values=[""] * len(sheet), remedy=remedy)  # fmt: skip
    sheet.flag(blank_lon & ~blank_lat & readable, "longitude", "is blank where latitude is given",
               values=[""] * len(sheet), remedy=remedy)  # fmt: skip
    bad = _flag_impossible(sheet, latitude, longitude)
    given = ~blank_lat & ~blank_lon & ~bad
    latitude[~given] = np.nan
    longitude[~given] = np.nan
    return latitude, longitude, given


def _flag_impossible(sheet: Sheet, latitude: NDArray[np.float64], longitude: NDArray[np.float64]) -> NDArray[np.bool_]:
    both = ~np.isnan(latitude) & ~np.isnan(longitude)
    out_lat, out_lon = np.abs(latitude) > 90, np.abs(longitude) > 180
    zero = (latitude == 0) & (longitude == 0)
    exchanged = both & out_lat & (np.abs(longitude) <= 90) & ~(np.abs(latitude) > 180)
    exchanged |= _far_unless_exchanged(latitude, longitude, both & ~out_lat & ~out_lon & ~zero)
    pairs = [f"{a:g}, {b:g}" for a, b in zip(latitude, longitude, strict=True)] if (exchanged | zero).any() else None
    remedy = "exchange the two values"
    if both.any() and exchanged.sum() > 0.9 * both.sum() and both.sum() > 1:
        own = sheet.own_name("latitude"), sheet.own_name("longitude")
        remedy = f"exchange the columns: latitude = {own[1]!r}, longitude = {own[0]!r} in [data.columns]"
    sheet.flag(exchanged, "latitude", "latitude and longitude are probably exchanged", values=pairs,
               allowed="latitude from -90 to 90, longitude from -180 to 180", remedy=remedy)  # fmt: skip
    mend = "correct it, or leave both latitude and longitude blank to use the postal code"
    sheet.flag(
        out_lat & ~exchanged, "latitude", "is out of range", allowed="decimal degrees from -90 to 90", remedy=mend
    )
    sheet.flag(
        out_lon & ~exchanged, "longitude", "is out of range", allowed="decimal degrees from -180 to 180", remedy=mend
    )
    sheet.flag(
        zero, "latitude", "0, 0 is a point in the Atlantic that stands for a failed lookup", values=pairs, remedy=mend
    )
    return np.asarray(exchanged | out_lat | out_lon | zero)


def _far_unless_exchanged(
    latitude: NDArray[np.float64], longitude: NDArray[np.float64], usable: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """Whether a point lies far from where nearly all others are, and among them once its two values are exchanged."""
    if usable.sum() < 20:
        return np.zeros(len(latitude), bool)
    south, north = np.percentile(latitude[usable], [5, 95])
    west, east = np.percentile(longitude[usable], [5, 95])
    margin = _BULK_MARGIN_DEGREES
    with np.errstate(invalid="ignore"):
        inside = (latitude >= south - margin) & (latitude <= north + margin)
        inside &= (longitude >= west - margin) & (longitude <= east + margin)
        swapped_inside = (longitude >= south) & (longitude <= north) & (latitude >= west) & (latitude <= east)
    return np.asarray(usable & ~inside & swapped_inside)


def _keep_earlier_source(
    sheet: Sheet, given: NDArray[np.bool_], source: NDArray[np.object_], precision: NDArray[np.float64]
) -> None:
    """Keep what a plan's own inputs say: coordinates that once came from a postal code were not given."""
    if not (sheet.has("location_source") and sheet.has("location_precision_km")):
        return
    earlier = sheet.text("location_source").to_numpy(dtype=object)
    placed = given & (earlier == "postal_code")
    if placed.any():
        kilometres = pd.to_numeric(sheet.frame["location_precision_km"], errors="coerce").to_numpy(np.float64)
        source[placed] = "postal_code"
        precision[placed] = kilometres[placed]


def _place_by_postal_code(
    sheet: Sheet,
    codes: pd.Series[Any],
    open_: NDArray[np.bool_],
    latitude: NDArray[np.float64],
    longitude: NDArray[np.float64],
    source: NDArray[np.object_],
    precision: NDArray[np.float64],
) -> None:
    countries = (
        sheet.text("country").to_numpy(dtype=object) if sheet.has("country") else np.full(len(sheet), "", object)
    )
    wanted = np.flatnonzero(open_ & (codes != "").to_numpy(dtype=bool))
    iso = np.array([country_code(c) for c in countries[wanted]], dtype=object)
    for country in sorted(set(iso)):
        locator = locator_for(country)
        if locator is None:
            continue
        at = wanted[iso == country]
        written = codes.iloc[at]
        found = locator.locate(written)
        known = found["latitude"].notna().to_numpy()
        hit = at[known]
        latitude[hit] = found["latitude"].to_numpy(np.float64)[known]
        longitude[hit] = found["longitude"].to_numpy(np.float64)[known]
        precision[hit] = found["precision_km"].to_numpy(np.float64)[known]
        source[hit] = "postal_code"
        _note_padded(sheet, found, written, known)
        _note_other_region(sheet, found, hit, known)
    hits = source == "postal_code"
    if hits.any():
        middle, worst = np.median(precision[hits]), precision[hits].max()
        sheet.note(
            f"{_verbs(int(hits.sum()), sheet, 'without coordinates was', 'without coordinates were')} placed by postal code, "
            f"typically within {middle:.1f} km (at worst {worst:.1f} km)."
        )


def _note_padded(sheet: Sheet, found: pd.DataFrame, written: pd.Series[Any], known: NDArray[np.bool_]) -> None:
    if "code" not in found.columns:
        return
    digits = written.str.len().to_numpy() < found["code"].str.len().to_numpy()
    padded = np.flatnonzero(known & digits)
    if len(padded):
        codes = counted(
            len(padded),
            "postal code had lost its leading zeros and was",
            "postal codes had lost their leading zeros and were",
        )
        example = f"{written.iloc[padded[0]]} as {found['code'].iloc[padded[0]]}"
        sheet.note(f"{codes} read with them ({example}).")


def _note_other_region(sheet: Sheet, found: pd.DataFrame, hit: NDArray[np.intp], known: NDArray[np.bool_]) -> None:
    """Say where the address's state is not the postal code's: one of the two is wrong."""
    if "region" not in found.columns or not sheet.has("state"):
        return
    theirs = sheet.text("state").str.upper().to_numpy(dtype=object)[hit]
    ours = found["region"].to_numpy(dtype=object)[known]
    # Only abbreviations can be compared; a state written out says nothing here.
    differs = [k for k, (a, b) in enumerate(zip(theirs, ours, strict=True)) if a and b and len(a) == len(b) and a != b]
    if differs:
        listed = ", ".join(f"row {sheet.rows[hit[k]]}: {theirs[k]}, but the code is in {ours[k]}" for k in differs[:5])
        more = f" and {len(differs) - 5} more" if len(differs) > 5 else ""
        sheet.note(
            f"{_verbs(len(differs), sheet, 'placed by postal code lies', 'placed by postal code lie')} in another state than"
            f" the address says ({listed}{more})."
        )


def _report_unplaced(sheet: Sheet, unplaced: NDArray[np.bool_], on_unlocated: str) -> None:
    has_code = sheet.has("postal_code")
    if not has_code and not sheet.has("latitude"):
        listed = ", ".join(map(str, sheet.frame.columns[:40]))
        remedy = "add latitude and longitude, or postal_code, or name them in [data.columns]"
        sheet.findings.append(
            ConfigFinding("has no column that says where anything is", sheet.file, allowed=listed, remedy=remedy)
        )
        return
    id_column = next((c for c in ("account_id", "rep_id") if sheet.has(c)), None)
    ids = sheet.text(id_column).to_numpy(dtype=object) if id_column else np.full(len(sheet), "", object)
    codes = sheet.text("postal_code").to_numpy(dtype=object) if has_code else np.full(len(sheet), "", object)
    if on_unlocated == "assign":
        at = np.flatnonzero(unplaced)
        listed = ", ".join(f"row {sheet.rows[i]}: {ids[i]}, postal code {codes[i] or 'blank'}" for i in at[:5])
        more = f" and {len(at) - 5:,} more" if len(at) > 5 else ""
        sheet.note(
            f"{_verbs(len(at), sheet, 'could not be placed and is', 'could not be placed and are')} assigned without travel"
            f" ({listed}{more})."
        )
        return
    countries = (
        sheet.text("country").to_numpy(dtype=object) if sheet.has("country") else np.full(len(sheet), "", object)
    )
    blank = unplaced & (codes == "")
    foreign = (
        unplaced
        & ~blank
        & np.array([locator_for(c) is None if u else False for c, u in zip(countries, unplaced, strict=True)])
    )
    unknown = unplaced & ~blank & ~foreign
    column = "postal_code" if has_code else "latitude"
    whose = _whose(sheet)
    shown = [f"{whose} {i}, postal code {c or 'blank'}" for i, c in zip(ids, codes, strict=True)]
    assign = ', or set data.on_unlocated = "assign"' if whose == "account" else ""
    sheet.flag(blank, column, f"the {whose} cannot be placed: no coordinates and no postal code", values=shown,
               remedy=f"fill in latitude and longitude, or the postal code{assign}")  # fmt: skip
    sheet.flag(unknown, column, f"the {whose} cannot be placed: no coordinates, and the postal code is unknown", values=shown,
               remedy=f"correct the postal code, or fill in latitude and longitude{assign}")  # fmt: skip
    abroad = [f"{s}, country {c}" for s, c in zip(shown, countries, strict=True)]
    sheet.flag(foreign, column, f"the {whose} cannot be placed: postal codes of this country are not known here", values=abroad,
               allowed=f"countries {', '.join(registered_countries())}",
               remedy=f"fill in latitude and longitude, or register a locator for the country{assign}")  # fmt: skip


def _whose(sheet: Sheet) -> str:
    return sheet.whose or ("account" if sheet.has("account_id") else "rep")


def _verbs(amount: int, sheet: Sheet, one: str, several: str) -> str:
    """Return how many records there are and what they do, with the verb in the right number."""
    whose = _whose(sheet)
    return counted(amount, f"{whose} {one}", f"{whose}s {several}")


def _place_on_plane(sheet: Sheet, blank_is_wrong: bool, required: bool) -> None:
    columns: dict[str, Any] = {}
    missing = [c for c in ("x", "y") if not sheet.has(c)]
    if missing and required:
        listed = ", ".join(map(str, sheet.frame.columns[:40]))
        remedy = 'name them in [data.columns], or use metric = "haversine" with latitude and longitude'
        what = f'has no column {" and ".join(missing)}, which metric = "euclidean" needs'
        sheet.findings.append(ConfigFinding(what, sheet.file, allowed=listed, remedy=remedy))
    blank = "fill in x and y" + (', or set data.on_unlocated = "assign"' if sheet.has("account_id") else "")
    for axis in ("x", "y"):
        if sheet.has(axis):
            columns[axis] = sheet.numbers(
                axis, blank=blank if blank_is_wrong else None, minimum=None, allowed="a number, in projected units"
            )
    for axis in ("latitude", "longitude"):
        if sheet.has(axis):
            # Not used for travel here, so a bad one is no finding; the map may want them.
            columns[axis] = pd.to_numeric(sheet.frame[axis], errors="coerce").to_numpy(np.float64)
    nowhere = np.full(len(sheet), np.nan)
    given = ~np.isnan(columns.get("x", nowhere)) & ~np.isnan(columns.get("y", nowhere))
    for axis in ("x", "y"):
        if axis in columns:
            columns[axis] = np.where(given, columns[axis], np.nan)
    columns["location_source"] = pd.Series(np.where(given, "given", "none"), index=sheet.frame.index, dtype=str)
    columns["location_precision_km"] = np.where(given, 0.0, np.nan)
    if required and not blank_is_wrong and not given.all():
        lacking = _verbs(int((~given).sum()), sheet, "has no x and y and is", "have no x and y and are")
        sheet.note(f"{lacking} assigned without travel.")
    sheet.frame = sheet.frame.assign(**columns)
