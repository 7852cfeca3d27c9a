"""The process that writes a large workbook while the map is drawn: a problem, a plan and its moves on stdin, a file out.

Started by :mod:`territory_engine.app.writing`, which is the only one to speak to it.
"""

from __future__ import annotations

import pickle
import signal
import sys
from pathlib import Path

from territory_engine.app.writing import CANNOT_WRITE


def main() -> int:
    """Read the pickled problem, plan and move list from stdin and write the workbook to the path given as argument.

    Returns
    -------
    int
        0, or ``CANNOT_WRITE`` when the file system refuses; other errors end with Python's own traceback and 1.
    """
    # Ctrl-C reaches the whole process group; whether to stop is the parent's decision.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # Read before importing anything large: the parent cannot go on until the pipe is empty.
    message = sys.stdin.buffer.read()
    from territory_engine.workbook import write_workbook

    # Only our own parent holds the other end of this pipe, so unpickling it is as safe as calling a function.
    problem, plan, moves = pickle.loads(message)
    del message
    try:
        write_workbook(problem, plan, Path(sys.argv[1]), moves=moves)
    except OSError as error:
        sys.stderr.write(f"{error.strerror or error}\n")
        return CANNOT_WRITE
    return 0


if __name__ == "__main__":
    sys.exit(main())
