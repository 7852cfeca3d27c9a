"""The Python in the documents runs, on a small input in place of the example."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SNIPPETS = [
    (document, snippet)
    for document in ("README.md", "docs/python-api.md", "docs/plan-directory.md")
    for snippet in re.findall(r"^```python\n(.*?)^```", (ROOT / document).read_text(), flags=re.DOTALL | re.MULTILINE)
    if document != "README.md" or "Router" not in snippet  # that one runs on Iowa's own plan: test_lead_example.py
]


@pytest.mark.parametrize(("document", "snippet"), SNIPPETS, ids=lambda text: text.splitlines()[0])
def test_the_python_in_the_documents_runs(
    document: str, snippet: str, small_input: Path, plan_copy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = snippet.replace("examples/iowa/config.toml", str(small_input)).replace("out/iowa", str(plan_copy))
    code = code.replace("sqlite:///ledger.db", f"sqlite:///{plan_copy.parent / 'ledger.db'}")
    exec(compile(code, document, "exec"), {})
    if "print(plan)" in snippet:
        assert capsys.readouterr().out
