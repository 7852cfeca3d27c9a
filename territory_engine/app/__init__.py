"""The application: the command line, and the writing of complete plan directories.

Names are imported when first used, so that ``territory-engine --help`` need not wait for pandas or folium.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from territory_engine.app.writing import write_plan_directory

__all__ = ["write_plan_directory"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from territory_engine.app import writing

    return getattr(writing, name)
