"""Whether docs/ledger.md says what the ledger is."""

from __future__ import annotations

import re
import sqlite3
from datetime import timedelta
from pathlib import Path

from territory_engine.ledger import Ledger
from territory_engine.ledger.schema import metadata
from tests.territory_engine.ledger.made_batches import MOMENT, decision_table, record

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "ledger.md").read_text()


def test_every_table_and_column_is_documented_in_its_order() -> None:
    for section in PAGE.split("\n### ")[1:]:
        names = re.findall(r"^\| `(\w+)` \|", section.split("\n## ")[0], flags=re.MULTILINE)
        table = re.findall(r"`(ledger_\w+)`", section.splitlines()[0])[0]
        assert names == [column.name for column in metadata.tables[table].columns], table
    documented = set(re.findall(r"^### `(ledger_\w+)`", PAGE, flags=re.MULTILINE))
    assert documented == set(metadata.tables)


def test_the_documented_statements_run(tmp_path: Path) -> None:
    with Ledger.open(f"sqlite:///{tmp_path / 'ledger.db'}") as ledger:
        record(ledger, "b1", decision_table(["a"], ["R1"]))
        plain = sqlite3.connect(tmp_path / "ledger.db")
        for block in re.findall(r"```sql\n(.*?)```", PAGE, flags=re.DOTALL):
            for statement in block.split(";\n"):
                plain.execute(statement.replace("'…'", "'a'"))
        plain.commit()
        plain.close()
        assert ledger.decisions_of("a")[0]["lead"] == "{}"
        assert ledger.forget(before=MOMENT + timedelta(days=365)) == 1
