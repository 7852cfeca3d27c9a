"""What the process answers, in numbers and on the two streams. The codes are public API."""

from __future__ import annotations

import os
import sys
import traceback as tracebacks
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, TextIO

import typer

from territory_engine.errors import ConfigError, Finding, InputError, NoPlanError, TerritoryError

if TYPE_CHECKING:
    from territory_engine.app.interruption import Interruption

DONE = 0
UNEXPECTED = 1
BAD_INPUT = 2
INFEASIBLE = 3
NO_PLAN = 4
INTERRUPTED = 130

_RECAP_FROM = 20  # findings: a list longer than a screen ends with how many there were of each kind


def tell(text: str, *, error: bool = False) -> None:
    """Write a line to stdout, or to stderr when it is an error.

    A reader that went away (``| head``) is no reason to fail: what was done stays done, and its exit code stands.
    """
    stream = sys.stderr if error else sys.stdout
    try:
        stream.write(text + "\n")
        stream.flush()
    except BrokenPipeError:
        _discard(stream)


def _discard(stream: TextIO) -> None:
    """Point a broken stream at nothing, so that the interpreter's last flush does not fail either."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


@contextmanager
def answering(
    *, interruption: Interruption | None = None, traceback: bool = False, remarks: Sequence[str] = ()
) -> Iterator[None]:
    """Turn every way of failing into its message on stderr and its exit code.

    Parameters
    ----------
    interruption : Interruption, optional
        Tells a search that ran out of time from one that was asked to stop before it had a plan.
    traceback : bool
        Show the Python traceback of an unexpected error.
    remarks : sequence of str
        Lines to follow the answer where no plan was found; may still grow while the body runs.

    Raises
    ------
    typer.Exit
        With the exit code, whenever the body did not finish.
    """
    try:
        yield
    except (typer.Exit, typer.Abort, typer.BadParameter):
        raise
    except InputError as error:
        _tell_findings(error)
        raise typer.Exit(BAD_INPUT) from error
    except NoPlanError as error:
        if interruption is not None and interruption.requested:
            tell("Interrupted before there was a plan; nothing was written.", error=True)
            raise typer.Exit(INTERRUPTED) from error
        tell("\n".join([f"No plan found: {error}", *remarks]), error=True)
        raise typer.Exit(NO_PLAN) from error
    except TerritoryError as error:
        tell(f"Error: {error}", error=True)
        raise typer.Exit(BAD_INPUT) from error
    except KeyboardInterrupt as interrupt:
        tell("Interrupted.", error=True)
        raise typer.Exit(INTERRUPTED) from interrupt
    except Exception as error:
        if traceback:
            tell(tracebacks.format_exc().rstrip(), error=True)
        first_line = (str(error).strip().splitlines() or ["no message"])[0]
        tell(f"Unexpected error: {type(error).__name__}: {first_line}", error=True)
        if not traceback:
            tell(
                "This is a fault in Territory Engine: run the command again with --traceback to see where.", error=True
            )
        raise typer.Exit(UNEXPECTED) from error


def _tell_findings(error: InputError) -> None:
    findings: tuple[Finding, ...] = error.findings
    subject = "the configuration" if isinstance(error, ConfigError) else "the input"
    count = "1 problem" if len(findings) == 1 else f"{len(findings):,} problems"
    lines = [f"{count} in {subject}; nothing was written.", *(f"  {finding}" for finding in findings)]
    if len(findings) > _RECAP_FROM:
        kinds = Counter((finding.file or "", finding.what) for finding in findings)
        lines.append(f"{count} in all:")
        lines += [f"  {number:,} × {f'{file}: ' if file else ''}{what}" for (file, what), number in kinds.most_common()]
    tell("\n".join(lines), error=True)
