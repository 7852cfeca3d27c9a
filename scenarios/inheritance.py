"""Which scenarios a scenario starts from, in the order in which their edits are made."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence


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
    # A stack of its own: a chain of a thousand scenarios is odd, but no reason to fail.
    path = [(name, iter(parents[name]))]
    while path:
        scenario, rest = path[-1]
        parent = next((p for p in rest if p not in order), None)
        if parent is None:
            order.setdefault(scenario)
            path.pop()
        else:
            path.append((parent, iter(parents[parent])))
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

    for first in parents:
        path: dict[str, Iterator[str]] = {} if first in finished else {first: iter(parents[first])}
        while path:
            name = next(reversed(path))
            parent = next((p for p in path[name] if p in parents and p not in finished), None)
            if parent is None:
                finished.add(name)
                del path[name]
            elif parent in path:
                names = list(path)
                loop = names[names.index(parent) :]
                start = loop.index(min(loop, key=position.__getitem__))
                found.setdefault((*loop[start:], *loop[:start]))
            else:
                path[parent] = iter(parents[parent])
    return list(found)
