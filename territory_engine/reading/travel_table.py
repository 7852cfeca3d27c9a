"""A travel table checked: known IDs, each pair once, costs that are numbers, and no account left out of reach."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from territory_engine.errors import Finding
from territory_engine.grammar import counted
from territory_engine.reading.columns import ConfigFinding, Sheet
from territory_engine.reading.identifiers import match_ids
from territory_engine.reading.numeric import read_numbers
from territory_engine.reading.validation import flag_unknown

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

COLUMNS = ("account_id", "cost")


def check_travel_table(sheet: Sheet, measures: Sequence[str], server: str = "rep_id") -> None:
    """Check a table's columns: IDs not blank, costs and measures numeric; write the numbers into the sheet.

    Parameters
    ----------
    sheet : Sheet
        Columns ``rep_id`` (or ``center_id``), ``account_id``, ``cost`` and any measure.
    measures : sequence of str
        The balanced measures; those that the table has become float64.
    server : {"rep_id", "center_id"}
        What travel starts from: a rep's home, or with free centres a place where a territory may be centred.
    """
    missing = [c for c in (server, *COLUMNS) if not sheet.has(c)]
    for column in missing:
        listed = ", ".join(map(str, sheet.frame.columns[:40]))
        what = f"has no column {column!r}, which a travel table needs"
        if column == "center_id":
            what += ' with centers = "free"'
        sheet.findings.append(ConfigFinding(what, sheet.file, allowed=listed, remedy=f"name the column {column!r}"))
    if len(sheet) == 0 and not sheet.findings:
        sheet.findings.append(Finding("has no rows below the header", sheet.file))
    if missing or len(sheet) == 0:
        return
    columns: dict[str, Any] = {server: sheet.text(server), "account_id": sheet.text("account_id")}
    for column in (server, "account_id"):
        sheet.flag(
            (columns[column] == "").to_numpy(dtype=bool), column, "is blank", remedy="fill it in, or delete the row"
        )
    columns["cost"] = _costs(sheet)
    for measure in measures:
        if sheet.has(measure):
            columns[measure] = sheet.numbers(
                measure, blank="fill the cell: the account's load if it is served from there"
            )
    sheet.frame = sheet.frame.assign(**columns)


def match_travel_table(
    sheet: Sheet, accounts: Sheet, ids: pd.Index[Any], server: str = "rep_id", *, of_units: bool = False
) -> pd.DataFrame:
    """Match a checked table with accounts, and with reps or centres.

    Parameters
    ----------
    sheet : Sheet
        The table, after :func:`check_travel_table`; gets findings for unknown IDs and pairs that repeat.
    accounts : Sheet
        Gets a finding for each account that cannot be reached.
    ids : Index of str
        What the first column may name: reps, accounts or units.
    server : {"rep_id", "center_id"}
    of_units : bool
        Whether centres are units rather than accounts.

    Returns
    -------
    DataFrame
        The table with the IDs spelled as accounts and reps spell them.
    """
    account_ids = pd.Index(accounts.frame["account_id"])
    if server == "rep_id":
        what, allowed = "a rep", "a rep_id of the reps file"
    elif of_units:
        what, allowed = "a unit", "the ID of a unit: under [contiguity] centres are units"
    else:
        what, allowed = "an account", "an account_id of the accounts file: centres are among the accounts"
    at_rep = _positions(sheet, server, ids, what, allowed)
    at_account = _positions(sheet, "account_id", account_ids, "an account", "an account_id of the accounts file")
    known = (at_rep >= 0) & (at_account >= 0)
    pair = at_account.astype(np.int64) * len(ids) + at_rep
    repeated = pd.Series(np.where(known, pair, -1 - np.arange(len(pair)))).duplicated().to_numpy()
    if repeated.any():
        names = [f"{a}, {r}" for a, r in zip(sheet.frame["account_id"], sheet.frame[server], strict=True)]
        sheet.flag(repeated, "account_id", f"the pair of account and {'rep' if server == 'rep_id' else 'centre'} stands twice", values=names,
                   allowed="each pair once", remedy="delete one of the rows")  # fmt: skip
    reachable = known & ~np.isposinf(sheet.frame["cost"].to_numpy(np.float64))
    alone = np.ones(len(account_ids), bool)
    alone[at_account[reachable]] = False
    accounts.flag(alone, "account_id", f"the account has no row with a finite cost in {sheet.file}",
                  allowed=f"at least one {'rep' if server == 'rep_id' else 'centre'} for each account", remedy="add its rows, or leave the account out")  # fmt: skip
    idle = np.setdiff1d(np.arange(len(ids)), at_rep[reachable])
    # Centres are chosen from those that the table has; a rep who is in no row has no work.
    if len(idle) and server == "rep_id":
        listed = ", ".join(str(ids[i]) for i in idle[:5]) + (" …" if len(idle) > 5 else "")
        sheet.note(
            f"{counted(len(idle), 'rep has', 'reps have')} no row with a finite cost and can serve no account ({listed})."
        )
    return sheet.frame.assign(
        **{server: np.asarray(ids, dtype=object)[at_rep]}, account_id=np.asarray(account_ids, dtype=object)[at_account]
    ).astype({server: str, "account_id": str})


def _positions(sheet: Sheet, column: str, ids: pd.Index[Any], what: str, allowed: str) -> NDArray[np.intp]:
    values = sheet.frame[column]
    codes, unique = pd.factorize(values)
    at = match_ids(pd.Series(list(unique), dtype=str), ids)[codes]
    unknown = (at < 0) & (values != "").to_numpy(dtype=bool)
    flag_unknown(sheet, column, values, unknown, ids, what, allowed)
    return at


def _costs(sheet: Sheet) -> NDArray[np.float64]:
    """Read the costs; ``inf`` says "never", anything else that is not a number, 0 or more, is a finding."""
    raw = sheet.frame["cost"]
    if pd.api.types.is_numeric_dtype(raw.dtype):
        never = np.isposinf(raw.to_numpy(np.float64))
    else:
        quick = read_numbers(raw, decimal_comma=sheet.decimal_comma, file_style=sheet.style)
        never = np.zeros(len(sheet), bool)
        if quick.wrong.any():
            never = raw.str.strip().str.lower().isin(["inf", "+inf", "infinity"]).to_numpy(dtype=bool)
    if never.any():
        whole = sheet.frame
        sheet.frame = whole.assign(cost=raw.mask(never, 0 if pd.api.types.is_numeric_dtype(raw.dtype) else "0"))
        costs = sheet.numbers("cost", blank=_BLANK_COST, allowed=_ALLOWED_COST)
        sheet.frame = whole
    else:
        costs = sheet.numbers("cost", blank=_BLANK_COST, allowed=_ALLOWED_COST)
    return np.where(never, np.inf, costs)


_BLANK_COST = "fill in the cost, or delete the row: a pair that is absent may not be assigned"
_ALLOWED_COST = "a number, 0 or more (inf: never)"
