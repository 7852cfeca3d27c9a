"""Which scenarios a scenario starts from, in the order in which their edits are made."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def ancestors_first(name: str, parents: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    """Return a scenario's ancestors and the scenario itself, every one once and after all of its own parents.

    Parents come in the order in which they are named, so that the last one's word counts. An ancestor that several lines
    lead to is there once, at the earliest place: growth that two parents inherit is not applied twice.

    Parameters
    ----------
    name : str
    parents : mapping of str to sequence of str
        Without loops; every parent is a key.
    """
    order: dict[str, None] = {}

    def visit(scenario: str) -> None:
        for parent in parents[scenario]:
            if parent not in order:
                visit(parent)
        order.setdefault(scenario)

    visit(name)
    return tuple(order)


def loops(parents: Mapping[str, Sequence[str]]) -> list[tuple[str, ...]]:
    """Return every loop that is found, each once, as the scenarios on it from the one that comes first in the file.

    Parameters
    ----------
    parents : mapping of str to sequence of str
        Parents that are no keys are passed over.
    """
    position = {name: i for i, name in enumerate(parents)}
    found: dict[tuple[str, ...], None] = {}
    finished: set[str] = set()

    def visit(name: str, path: list[str]) -> None:
        if name in path:
            loop = path[path.index(name) :]
            start = loop.index(min(loop, key=position.__getitem__))
            found.setdefault((*loop[start:], *loop[:start]))
            return
        if name in finished:
            return
        for parent in parents[name]:
            if parent in parents:
                visit(parent, [*path, name])
        finished.add(name)

    for name in parents:
        visit(name, [])
    return list(found)
