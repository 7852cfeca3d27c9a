"""Directories that appear whole or not at all.

A plan, or whatever else a command makes a directory of, is written into a temporary sibling of its destination and
moved there in one step, so a reader sees the old one or the new one, never half of either.
"""

from __future__ import annotations

import ctypes
import errno
import os
import secrets
import shutil
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from territory_engine.errors import PlanDirectoryError

# Linux's renameat2(2); not in Python's os module.
_AT_FDCWD = -100
_RENAME_NOREPLACE = 1
_RENAME_EXCHANGE = 2
_UNSUPPORTED = {errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.EPERM}


PLAN_FILES = frozenset(
    {
        "assignments.csv",
        "territories.csv",
        "territories.geojson",
        "units.csv",
        "multipliers.csv",
        "moves.csv",
        "plan.json",
        "plan.xlsx",
        "map.html",
        "report.html",
        "inputs",
    }
)
"""What a plan directory holds; anything else in it is somebody's own and is never deleted."""


@dataclass(frozen=True)
class DirectoryKind:
    """A kind of directory that a command writes.

    Attributes
    ----------
    name : str
        What it holds, in a word or two: ``"plan"``.
    marker : str
        The file by which such a directory is known.
    files : frozenset of str
        Everything that it may hold, the marker included; anything else in it is somebody's own and is never deleted.
    """

    name: str
    marker: str
    files: frozenset[str]


PLAN = DirectoryKind("plan", "plan.json", PLAN_FILES)


def check_destination(out: str | Path, *, replace: bool = False, kind: DirectoryKind = PLAN) -> None:
    """Refuse a destination that :func:`publishing` would refuse, before any work is done for it.

    Parameters
    ----------
    out : path
    replace : bool
        Whether an existing directory of the same kind (or an empty one) may be replaced.
    kind : DirectoryKind
        What is to be written; a plan unless said otherwise.

    Raises
    ------
    PlanDirectoryError
        `out` exists and `replace` is False; or it is a symbolic link, a file, or a folder that holds something other
        than its kind; or its parent is not a folder; or the file system does not take its name.
    """
    target = Path(out).absolute()
    if target.name in {"", ".."}:
        raise PlanDirectoryError(f"{out}: not a name for a {kind.name} directory. Remedy: give a folder of its own")
    _check_name(out, target, kind)
    if target.is_symlink():
        raise PlanDirectoryError(
            f"{out}: a symbolic link, which is never followed. Remedy: give the folder it points to, or remove it"
        )
    existing = next(p for p in target.parents if p.exists() or p.is_symlink())
    if not existing.is_dir():
        raise PlanDirectoryError(f"{out}: {existing} is not a folder. Remedy: give another destination")
    if not target.exists():
        return
    if not target.is_dir():
        raise PlanDirectoryError(f"{out}: a file with this name exists. Remedy: give another destination")
    if not replace:
        raise PlanDirectoryError(f"{out}: exists already. Remedy: give another destination, or --replace")
    if not (target / kind.marker).is_file() and any(target.iterdir()):
        raise PlanDirectoryError(
            f"{out}: not replaced, because it is no {kind.name} directory: it holds files but no {kind.marker}."
            " Remedy: give another destination, or empty the folder first"
        )
    foreign = sorted({path.name for path in target.iterdir()} - kind.files)
    if foreign:
        raise PlanDirectoryError(
            f"{out}: not replaced, because it also holds what is no part of a {kind.name} directory and would be lost:"
            f" {', '.join(foreign[:5])}{' and more' if len(foreign) > 5 else ''}."
            " Remedy: move that elsewhere, or give another destination"
        )


def _check_name(out: str | Path, target: Path, kind: DirectoryKind) -> None:
    """Refuse a name that the file system does not take, also when it is longer by what the unfinished one is called."""
    for path in (target, _temporary(target, "0" * 12)):
        try:
            path.lstat()
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:
            raise PlanDirectoryError(
                f"{out}: cannot be the name of a {kind.name} directory: {error.strerror}. Remedy: give another destination"
            ) from error


def _temporary(target: Path, token: str) -> Path:
    return target.parent / f".{target.name}.{token}.partial"


@contextmanager
def publishing(out: str | Path, replace: bool = False, *, kind: DirectoryKind = PLAN) -> Iterator[Path]:
    """Yield a temporary folder beside `out`; when the block ends well, it becomes `out` in one step.

    An error or an interruption inside the block removes the temporary folder and leaves `out` as it was. With
    `replace`, the old directory is swapped for the new one atomically where the system can (Linux), otherwise by two
    renames, and is deleted afterwards.

    Parameters
    ----------
    out : path
        The destination. Missing parents are created (and removed again if nothing is published).
    replace : bool
        Whether an existing directory of the same kind may be replaced.
    kind : DirectoryKind
        What is written; a plan unless said otherwise.

    Yields
    ------
    Path
        An empty folder to write into.

    Raises
    ------
    PlanDirectoryError
        On entry, as :func:`check_destination`; or at the end, if the folder cannot be moved into place.
    """
    check_destination(out, replace=replace, kind=kind)
    target = Path(out).absolute()
    temporary = _temporary(target, secrets.token_hex(6))
    created = [parent for parent in target.parents if not parent.exists()]
    try:
        try:
            temporary.mkdir(parents=True)
        except OSError as error:
            raise PlanDirectoryError(f"{out}: cannot be created ({error.strerror})") from error
        yield temporary
        check_destination(out, replace=replace, kind=kind)
        try:
            _flush(temporary / kind.marker)
            _move_into_place(temporary, target)
        except OSError as error:
            raise PlanDirectoryError(f"{out}: cannot be moved into place ({error.strerror})") from error
    finally:
        # Before the move this is the unfinished directory; after a swap it is the old one. Either way it has to go.
        _remove(temporary)
        for parent in created:
            with suppress(OSError):
                parent.rmdir()


def _flush(path: Path) -> None:
    """Have the record on the disk before its directory takes the final name."""
    if path.is_file():
        with path.open("rb") as file:
            os.fsync(file.fileno())


def _remove(folder: Path) -> None:
    if not folder.exists():
        return
    try:
        shutil.rmtree(folder)
    except OSError as error:
        warnings.warn(f"{folder} could not be deleted ({error}); it is safe to delete by hand", stacklevel=3)


def _move_into_place(temporary: Path, target: Path) -> None:
    if not target.exists():
        if not _renameat2(temporary, target, _RENAME_NOREPLACE):
            temporary.rename(target)
        return
    if _renameat2(temporary, target, _RENAME_EXCHANGE):
        return
    aside = target.parent / f".{target.name}.{secrets.token_hex(6)}.old"
    target.rename(aside)
    try:
        temporary.rename(target)
    except BaseException:
        aside.rename(target)
        raise
    _remove(aside)


def _renameat2(source: Path, target: Path, flag: int) -> bool:
    """Rename with one of Linux's flags; False where the system or the file system does not know it.

    Raises
    ------
    OSError
        The rename was refused for another reason.
    """
    if not sys.platform.startswith("linux"):
        return False
    function = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if function is None:
        return False
    if function(_AT_FDCWD, os.fsencode(source), _AT_FDCWD, os.fsencode(target), ctypes.c_uint(flag)) == 0:
        return True
    code = ctypes.get_errno()
    if code in _UNSUPPORTED:
        return False
    raise OSError(code, os.strerror(code), str(target))
