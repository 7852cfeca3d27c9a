"""The file of answers to a batch of leads: CSV, XLSX, Parquet or JSON, there whole or not at all.

No cell is ever run by a spreadsheet: text that begins like a formula gets an apostrophe in CSV and stays text in XLSX.
Lead and rep IDs never begin that way where a lead is assigned or queued; only a rejected lead's ID may.
"""

from __future__ import annotations

import io
import json
import os
import secrets
from pathlib import Path
from typing import TYPE_CHECKING

from territory_engine.errors import Finding, InputError
from territory_engine.plan_directory import guarded

if TYPE_CHECKING:
    import pandas as pd

_LONGEST_NAME = 240
"""File systems allow 255 bytes, and a file is written under a longer name first."""

KINDS = (".csv", ".xlsx", ".parquet", ".json")


def check_out(out: Path, leads: Path | None) -> None:
    """Find out whether a file of answers can be written, before anything is routed.

    Raises
    ------
    InputError
        The ending is none that is known, the folder is not there, or the file is the leads' own.
    """
    if out.suffix.lower() not in KINDS:
        what = "is no kind of file that answers are written to"
        raise InputError(Finding(what, str(out), allowed=", ".join(KINDS), remedy="end its name in .csv"))
    if len(os.fsencode(out.name)) > _LONGEST_NAME:
        what = f"has a name of more than {_LONGEST_NAME} bytes"
        raise InputError(Finding(what, str(out), remedy="give it a shorter one"))
    if out.is_dir():
        raise InputError(Finding("is a folder, not a file", str(out)))
    if not out.parent.is_dir():
        raise InputError(Finding(f"there is no folder {out.parent}", str(out), remedy="make it, or name another"))
    if not os.access(out.parent, os.W_OK):
        raise InputError(Finding(f"the folder {out.parent} cannot be written to", str(out)))
    if out.exists() and leads is not None and leads.exists() and out.samefile(leads):
        raise InputError(Finding("is the file of leads itself", str(out), remedy="write the answers to another file"))


def answer_bytes(answers: pd.DataFrame, kind: str) -> bytes:
    """Return answers as the bytes of a file; the same answers give the same bytes.

    Parameters
    ----------
    answers : DataFrame
        :data:`~territory_engine.routed_batch.ANSWER_COLUMNS`.
    kind : str
        One of :data:`KINDS`.
    """
    match kind:
        case ".parquet":
            into = io.BytesIO()
            answers.to_parquet(into, index=False)
            return into.getvalue()
        case ".json":
            text = answers.to_json(orient="records", double_precision=15)
            return (json.dumps(json.loads(text), ensure_ascii=False, indent=1) + "\n").encode()
        case ".xlsx":
            return _workbook(answers)
        case _:
            text_columns = {c: guarded(answers[c]) for c in answers.columns if answers[c].dtype.kind not in "fiub"}
            return answers.assign(**text_columns).to_csv(index=False, lineterminator="\n").encode()


def _workbook(answers: pd.DataFrame) -> bytes:
    import datetime as dt

    import xlsxwriter

    into = io.BytesIO()
    options = {"strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False, "in_memory": True}
    with xlsxwriter.Workbook(into, options) as book:
        # A fixed date: the same answers are the same bytes.
        book.set_properties({"created": dt.datetime(2000, 1, 1)})  # noqa: DTZ001 # the format has no time zone
        sheet, bold = book.add_worksheet("leads"), book.add_format({"bold": True})
        for place, name in enumerate(answers.columns):
            sheet.write_string(0, place, name, bold)
            for row, value in enumerate(answers[name], start=1):
                if isinstance(value, str):
                    sheet.write_string(row, place, value[:32_767])
                elif value == value:  # noqa: PLR0124 # not NaN
                    sheet.write_number(row, place, float(value))
        sheet.freeze_panes(1, 1)
        sheet.autofilter(0, 0, max(1, len(answers)), len(answers.columns) - 1)
        sheet.set_column(0, len(answers.columns) - 1, 16)
        sheet.set_column(4, 4, 80)
    return into.getvalue()


def write_whole(content: bytes, out: Path, again: str = "run the same command again for the same answer") -> None:
    """Write a file so that it is there whole or not at all; ``again`` says how to get the same answer once more.

    Raises
    ------
    InputError
        It cannot be written.
    """
    temporary = out.with_name(f".{out.name}.{secrets.token_hex(4)}")
    try:
        with temporary.open("xb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(out)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        what = f"cannot be written ({error.strerror or error}); the batch is in the ledger"
        raise InputError(Finding(what, str(out), remedy=again)) from error


def same_content(content: bytes, out: Path) -> bool:
    """Whether a file has this content already."""
    return out.is_file() and out.read_bytes() == content
