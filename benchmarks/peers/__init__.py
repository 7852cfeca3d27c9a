"""What others offer for the same problem: a module each, with ``solve(instance, seconds) -> Answer``.

Each module says in ``DISTRIBUTIONS`` what must be installed, first what gives the method its name; in
``refusal(instance)`` why it is not tried on an instance, or None; and in ``STOPS`` whether the method can be told to
stop after some seconds (otherwise it runs until it is done, or until its process is ended from outside). Each runs by itself:
``python -m benchmarks.peers.metis INSTANCE.npz ANSWER.json --seconds 120``.
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.instances import Instance

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

SEED = 0


@dataclass(frozen=True, eq=False)
class Answer:
    """What a method found.

    Attributes
    ----------
    labels : ndarray of int64, shape (n_accounts,), or None
        Territory of each account; the rep's row where reps are given. None where nothing was found.
    objective, bound : float or None
        What the method itself says its answer costs, and the least that it proved any answer costs; None where it
        says nothing of the kind. ``inf`` as a bound: it proved that there is no answer.
    note : str
        What a reader of the table must know.
    """

    labels: NDArray[np.int64] | None
    objective: float | None = None
    bound: float | None = None
    note: str = ""

    def write(self, path: Path) -> None:
        """Write the answer as JSON."""
        record = {
            "labels": None if self.labels is None else [int(t) for t in self.labels],
            "objective": self.objective,
            "bound": self.bound,
            "note": self.note,
        }
        path.write_text(json.dumps(record))

    @classmethod
    def read(cls, path: Path) -> Answer:
        """Read what ``write`` wrote."""
        record = json.loads(path.read_text())
        labels = record.pop("labels")
        return cls(None if labels is None else np.array(labels, np.int64), **record)


def command(solve: Callable[[Instance, float], Answer]) -> None:
    """Run one method on one instance from the command line, with a limit on memory."""
    parser = argparse.ArgumentParser(description=sys.modules["__main__"].__doc__)
    parser.add_argument("instance", type=Path)
    parser.add_argument("answer", type=Path)
    parser.add_argument("--seconds", type=float, default=120.0)
    parser.add_argument("--memory", type=float, help="GiB, after which the method fails instead of the machine")
    options = parser.parse_args()
    if options.memory:
        size = int(options.memory * 2**30)
        resource.setrlimit(resource.RLIMIT_DATA, (size, size))
    solve(Instance.load(options.instance), options.seconds).write(options.answer)
