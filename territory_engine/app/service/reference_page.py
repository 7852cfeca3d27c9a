"""The page under ``/docs``: the routes in one self-contained page, without scripts from elsewhere."""

from __future__ import annotations

import json
from html import escape
from typing import Any

_STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#1c2430}"
    "code,pre{font:14px/1.45 ui-monospace,monospace}pre{background:#f3f5f8;padding:.8rem;overflow:auto}"
    "table{border-collapse:collapse;width:100%}th,td{text-align:left;vertical-align:top;padding:.3rem .6rem;"
    "border-bottom:1px solid #d8dee6}h2{margin-top:2.5rem}"
)


def reference_page(document: dict[str, Any]) -> str:
    """Return the OpenAPI document as a page for people."""
    info = document["info"]
    parts = [
        f"<h1>{escape(info['title'])} {escape(info['version'])}</h1>",
        *(f"<p>{escape(text)}</p>" for text in info.get("description", "").split("\n\n")),
        '<p>The same for programs: <a href="openapi.json">openapi.json</a>.</p>',
    ]
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            parts += _operation(f"{method.upper()} {path}", operation)
    for name, schema in sorted(document["components"]["schemas"].items()):
        if schema.get("properties"):
            parts += _schema(name, schema)
    title = escape(info["title"])
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style></head>'
        f"<body>{''.join(parts)}</body></html>"
    )


def _operation(heading: str, operation: dict[str, Any]) -> list[str]:
    parts = [f"<h2><code>{escape(heading)}</code></h2>", f"<p>{escape(operation.get('description', ''))}</p>"]
    for content in operation.get("requestBody", {}).get("content", {}).values():
        example = json.dumps(content.get("example"), indent=2, ensure_ascii=False)
        parts.append(f"<p>Body: {_type(content['schema'])}. For example:</p><pre>{escape(example)}</pre>")
    rows = []
    for status, answer in sorted(operation["responses"].items()):
        schemas = [_type(content.get("schema", {})) for content in answer.get("content", {}).values()]
        rows.append(f"<tr><td>{escape(status)}<td>{', '.join(schemas)}<td>{escape(answer.get('description', ''))}</tr>")
    return [*parts, "<table><tr><th>status<th>answer<th>meaning</tr>", *rows, "</table>"]


def _schema(name: str, schema: dict[str, Any]) -> list[str]:
    required = schema.get("required", [])
    rows = [
        f"<tr><td><code>{escape(field)}</code>{' (required)' if field in required else ''}<td>{_type(inner)}"
        f"<td>{escape(inner.get('description', ''))}</tr>"
        for field, inner in schema["properties"].items()
    ]
    return [
        f'<h2 id="{escape(name)}">{escape(name)}</h2><p>{escape(schema.get("description", ""))}</p>',
        "<table><tr><th>field<th>type<th>meaning</tr>",
        *rows,
        "</table>",
    ]


def _type(schema: dict[str, Any]) -> str:
    if "$ref" in schema:
        name = escape(schema["$ref"].rpartition("/")[2])
        return f'<a href="#{name}">{name}</a>'
    if "anyOf" in schema:
        return " or ".join(_type(inner) for inner in schema["anyOf"])
    if "enum" in schema or "const" in schema:
        return ", ".join(escape(str(value)) for value in schema.get("enum", [schema.get("const")]))
    if schema.get("type") == "array":
        return f"list of {_type(schema.get('items', {}))}"
    return escape(str(schema.get("format") or schema.get("type") or "any"))
