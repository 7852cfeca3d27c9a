"""Units that were read once, carried over to accounts that were edited since: the map stays, its accounts change."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from territory_engine.geography.membership import central_places, mean_of_neighbours
from territory_engine.reading.units import places_of, weights_of

if TYPE_CHECKING:
    from territory_engine.config import Config
    from territory_engine.geography.layer import UnitLayer
    from territory_engine.reading.columns import Sheet


@dataclass(frozen=True, eq=False)
class KnownUnits:
    """A layer, and the accounts it was made with.

    Attributes
    ----------
    layer : UnitLayer
    account_ids : Index of str, shape (n_accounts,)
        In the order of ``layer.unit_of``.
    """

    layer: UnitLayer
    account_ids: pd.Index[str]

    def of(self, accounts: Sheet, config: Config) -> UnitLayer:
        """Return the same units with the accounts that there are now, each where it was.

        A unit's place is that of one of its accounts, so it is chosen again. A unit that has lost all its accounts gets
        the place it would have had without any; where x and y are measured it keeps the place it had.

        Parameters
        ----------
        accounts : Sheet
            Checked and placed; none that the layer was not made with.
        config : Config
        """
        layer = self.layer
        spherical = config.travel.metric == "haversine"
        at = self.account_ids.get_indexer(pd.Index(accounts.frame["account_id"]))
        unit_of = layer.unit_of[at]
        central = central_places(
            places_of(accounts, config), unit_of, weights_of(accounts, config), len(layer), spherical=spherical
        )
        places = np.where(np.isfinite(central), central, layer.places)
        lost = np.flatnonzero((layer.accounts_in > 0) & ~np.isfinite(central).all(axis=1))
        if layer.kind == "pairs":
            places = mean_of_neighbours(central, layer.pairs, spherical=spherical)
        elif layer.kind == "cells":
            import h3.api.basic_str as h3

            places[lost] = np.reshape([h3.cell_to_latlng(name) for name in layer.ids[lost].tolist()], (-1, 2))
        elif layer.geometry is not None and spherical:
            import shapely

            shapes = np.asarray(layer.geometry.to_numpy(), dtype=object)[lost]
            places[lost] = shapely.get_coordinates(shapely.point_on_surface(shapes))[:, ::-1]
        return replace(layer, unit_of=unit_of, places=places)
