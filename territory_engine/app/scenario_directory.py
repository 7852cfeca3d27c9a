"""The directory that scenarios are run into: one plan directory each, worked in step by step, by one run at a time.

What is finished is read off the plan directories themselves: each appears whole or not at all, and names the digest of
what it was made from. A run that was killed at any moment is therefore taken up where it was.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from territory_engine import __version__
from territory_engine.errors import PlanDirectoryError
from territory_engine.plan_directory import intact_record
from territory_engine.publishing import check_destination

if TYPE_CHECKING:
    from scenarios.running import Run
    from scenarios.scenario_file import ScenarioFile

RECORD = "scenarios.json"
KIND = "territory-engine scenarios"
COMPARISON = ("comparison.csv", "comparison.html", "comparison_map.html")
_LOCK = ".running"
# What a run that was killed leaves: unfinished plans, and the base problem on its way to the processes.
_UNFINISHED = re.compile(r"\..+\.[0-9a-f]{12}\.(partial|old)")


class ScenarioDirectory:
    """A directory of scenarios that is open for a run.

    Parameters
    ----------
    path : Path
        Exists, and holds :data:`RECORD` or nothing.
    record : dict
        What :data:`RECORD` says.
    """

    def __init__(self, path: Path, record: dict[str, Any]) -> None:
        self.path = path
        self.record = record

    def folder(self, name: str) -> Path:
        """Return where a scenario's plan directory is."""
        return self.path / name

    def finished(self, run: Run) -> bool:
        """Whether a scenario's plan directory is there, whole, untouched, and of the same digest and version."""
        try:
            record = intact_record(self.folder(run.name))
        except PlanDirectoryError:
            return False
        made = record.get("run")
        same = isinstance(made, dict) and made.get("digest") == run.digest
        return same and record.get("engine_version") == __version__

    def check_room(self, runs: tuple[Run, ...]) -> None:
        """Make sure that every plan directory may be written, before anything is solved.

        Raises
        ------
        PlanDirectoryError
            Something that is no plan directory has its name.
        """
        for run in runs:
            check_destination(self.folder(run.name), replace=True)

    def begin(self, file: ScenarioFile, *, pending: bool) -> None:
        """Say whose scenarios these are; a comparison that is about to be outdated goes."""
        if pending:
            for name in COMPARISON:
                (self.path / name).unlink(missing_ok=True)
        self.note(scenarios_file=relative(file.path, self.path), sha256=file.sha256)

    def note(self, **values: Any) -> None:
        """Change the record, in one step."""
        self.record = {"kind": KIND, **self.record, **values, "engine_version": __version__}
        self.write(RECORD, json.dumps(self.record, indent=2, ensure_ascii=False, allow_nan=False) + "\n")

    def write(self, name: str, text: str) -> None:
        """Write a file so that it appears whole or not at all.

        Raises
        ------
        PlanDirectoryError
            The file system refuses.
        """
        partial = self.path / f".{name}.{secrets.token_hex(6)}.partial"
        try:
            partial.write_text(text, encoding="utf-8", newline="\n")
            partial.replace(self.path / name)
        except OSError as error:
            raise PlanDirectoryError(f"{self.path / name}: cannot be written ({error.strerror or error})") from error
        finally:
            partial.unlink(missing_ok=True)

    def left_over(self, names: set[str]) -> tuple[str, ...]:
        """Return the plan directories of scenarios that are not among these names."""
        found = []
        for folder in sorted(self.path.iterdir()):
            if folder.name in names or not folder.is_dir() or not (folder / "plan.json").is_file():
                continue
            with suppress(ValueError, OSError):
                if "run" in json.loads((folder / "plan.json").read_text(encoding="utf-8")):
                    found.append(folder.name)
        return tuple(found)

    def remove(self, names: tuple[str, ...]) -> None:
        """Delete plan directories, unless they also hold what is somebody's own.

        Raises
        ------
        PlanDirectoryError
            One of them does; nothing is deleted then.
        """
        for name in names:
            check_destination(self.folder(name), replace=True)
        for name in names:
            # In one step out of sight, so that no half of a plan is ever seen under its name.
            aside = self.path / f".{name}.{secrets.token_hex(6)}.old"
            self.folder(name).rename(aside)
            shutil.rmtree(aside, ignore_errors=True)

    def tidy(self) -> None:
        """Remove what an earlier run left unfinished. Only for who holds the lock."""
        for path in self.path.iterdir():
            if _UNFINISHED.fullmatch(path.name):
                if path.is_dir() and not path.is_symlink():
                    shutil.rmtree(path, ignore_errors=True)
                else:
                    path.unlink(missing_ok=True)


def relative(path: Path, folder: Path) -> str:
    """Return a path from a folder, with forward slashes, so that both can be moved together."""
    with suppress(ValueError):  # on another drive of Windows there is none
        return Path(os.path.relpath(path.resolve(), folder.resolve())).as_posix()
    return path.resolve().as_posix()


def check_scenario_directory(out: str | Path, file: str | Path, *, replace: bool) -> None:
    """Refuse a directory that scenarios cannot be run into, before the data are read.

    Parameters
    ----------
    out : path
    file : path
        The file of scenarios.
    replace : bool
        Whether the directory may hold the scenarios of another file.

    Raises
    ------
    PlanDirectoryError
        `out` is a file or a link, or holds something else than the scenarios of this file.
    """
    target = Path(out)
    if not target.exists() or target.is_symlink() or not target.is_dir():
        check_destination(out)
        return
    record = _read(target)
    before = record.get("scenarios_file")
    if before is not None and before != relative(Path(file), target) and not replace:
        raise PlanDirectoryError(
            f"{out}: holds the scenarios of {before}, not of {relative(Path(file), target)}. Remedy: give another --out,"
            " or --replace, which solves what differs and removes the scenarios that are not in this file"
        )


def _read(target: Path) -> dict[str, Any]:
    path = target / RECORD
    if not path.is_file():
        if not [p for p in target.iterdir() if p.name != _LOCK]:
            return {}
        what = "a plan directory" if (target / "plan.json").is_file() else "no directory of scenarios"
        raise PlanDirectoryError(
            f"{target}: is {what}: it holds files but no {RECORD}. Remedy: give another --out, or an empty folder"
        )
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        if record["kind"] == KIND:
            return dict(record)
    except (ValueError, OSError, KeyError, TypeError) as error:
        raise PlanDirectoryError(
            f"{path}: is not what a run of scenarios wrote ({error}). Remedy: give another --out"
        ) from error
    raise PlanDirectoryError(f"{path}: is not what a run of scenarios wrote. Remedy: give another --out")


@contextmanager
def open_scenario_directory(out: str | Path, file: str | Path, *, replace: bool = False) -> Iterator[ScenarioDirectory]:
    """Open a directory for a run, made where it is missing, and keep other runs out of it until the block ends.

    Raises
    ------
    PlanDirectoryError
        As :func:`check_scenario_directory`; or another run is under way in it; or it cannot be made.
    """
    check_scenario_directory(out, file, replace=replace)
    target = Path(out).absolute()
    created = [folder for folder in (target, *target.parents) if not folder.exists()]
    try:
        target.mkdir(parents=True, exist_ok=True)
        with _alone(target):
            directory = ScenarioDirectory(target, _read(target))
            directory.tidy()
            try:
                yield directory
            finally:
                directory.tidy()
    except PermissionError as error:
        raise PlanDirectoryError(
            f"{out}: cannot be written to ({error.strerror}). Remedy: give another --out"
        ) from error
    finally:
        for folder in created:
            with suppress(OSError):  # it holds something: then it is to stay
                folder.rmdir()


@contextmanager
def _alone(target: Path) -> Iterator[None]:
    """Hold the directory's lock. The system lets go of it when the process ends, however it ends."""
    path = target / _LOCK
    with path.open("ab") as file:
        # A file that another run has just removed is no lock: two could hold two of them.
        if not _locked(file) or not path.exists() or not os.path.samestat(path.stat(), os.fstat(file.fileno())):
            raise PlanDirectoryError(
                f"{target}: another run is under way in it. Remedy: wait for it to end, or give another --out"
            )
        try:
            yield
        finally:
            with suppress(OSError):
                path.unlink()


def _locked(file: BinaryIO) -> bool:
    """Lock a file without waiting; False where another process has it."""
    try:
        if os.name == "nt":
            import msvcrt

            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined,unused-ignore]  # Windows only
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
