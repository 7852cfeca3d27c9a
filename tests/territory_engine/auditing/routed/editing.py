"""Edit a ledger behind its back: rows, the JSON of a batch, and its Parquet."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from typing import Any

import pandas as pd
import sqlalchemy as sa


class Edit:
    """Edits of a ledger, and of its first batch."""

    def __init__(self, url: str) -> None:
        self._engine = sa.create_engine(url)

    def sql(self, statement: str, **values: Any) -> None:
        with self._engine.begin() as connection:
            connection.execute(sa.text(statement), values)

    def one(self, query: str, **values: Any) -> Any:
        with self._engine.connect() as connection:
            return connection.execute(sa.text(query), values).first()

    def roster(self, change: Callable[[pd.DataFrame], Any]) -> None:
        self._table("roster", change)

    def pairs(self, change: Callable[[pd.DataFrame], Any]) -> None:
        self._table("choices", change)

    def proof(self, change: Callable[[dict[str, Any]], Any]) -> None:
        self._json("proof", change)

    def policy(self, change: Callable[[dict[str, Any]], Any]) -> None:
        self._json("policy", change)

    def decision(self, where: str, **values: Any) -> None:
        """Change the first decision of the first batch that a condition holds for."""
        row = self.one(f"SELECT position FROM ledger_decisions WHERE batch_no = 1 AND {where} ORDER BY position")
        assert row is not None, f"no decision with {where}"
        told = ", ".join(f"{name} = :{name}" for name in values)
        query = f"UPDATE ledger_decisions SET {told} WHERE batch_no = 1 AND position = :at"
        self.sql(query, at=row.position, **values)

    def _table(self, column: str, change: Callable[[pd.DataFrame], Any]) -> None:
        content = self.one(f"SELECT {column} FROM ledger_batches WHERE batch_no = 1")[0]
        table = pd.read_parquet(io.BytesIO(bytes(content)))
        changed = change(table)
        into = io.BytesIO()
        (table if changed is None else changed).to_parquet(into)
        self.sql(f"UPDATE ledger_batches SET {column} = :content WHERE batch_no = 1", content=into.getvalue())

    def _json(self, column: str, change: Callable[[dict[str, Any]], Any]) -> None:
        content = json.loads(self.one(f"SELECT {column} FROM ledger_batches WHERE batch_no = 1")[0])
        change(content)
        self.sql(f"UPDATE ledger_batches SET {column} = :content WHERE batch_no = 1", content=json.dumps(content))

    def close(self) -> None:
        self._engine.dispose()
