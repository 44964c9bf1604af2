"""Rewrites a JSON schema for strict decoding, and the reply back.

Strict decoding wants closed objects whose properties are all required. So on the wire an optional
property is a required one, which may be null where its default says nothing, and an object of
unknown keys is a string of JSON text. `from_strict` undoes both; a reply that does not fit is
returned as it is, for the reader of the reply to judge.
"""

from __future__ import annotations

import json
from typing import Any

from orchestrator.models.llm import JsonSchema

KEPT = ("type", "enum", "const", "description")
OPEN_OBJECT = "One JSON object, written as JSON text."
NULL = {"type": "null"}
SCALARS = ("string", "integer", "number", "boolean")


class _NotStrict(Exception):
    """The schema says something that strict decoding has no words for."""


def to_strict(schema: JsonSchema) -> JsonSchema | None:
    """The schema for the wire, None if it cannot be said strictly."""
    if "$ref" in schema:  # a recursive model: the root has to be an object itself
        schema = {**_resolved(schema, schema), "$defs": schema.get("$defs", {})}
    if "properties" not in schema:
        return None
    try:
        strict = _node(schema)
        if "$defs" in schema:
            strict["$defs"] = {name: _node(node) for name, node in schema["$defs"].items()}
    except _NotStrict:
        return None
    return strict


def from_strict(text: str, schema: JsonSchema) -> str:
    """A reply to `to_strict(schema)` as a reply to `schema`; anything but JSON stays untouched."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return text
    loose = _loose(value, schema, schema)
    return text if loose == value else json.dumps(loose, ensure_ascii=False)


def _node(node: Any) -> JsonSchema:
    if not isinstance(node, dict):
        raise _NotStrict
    if "$ref" in node:
        return {"$ref": node["$ref"]}
    if len(node.get("allOf", ())) == 1:
        return _node(node["allOf"][0])
    options = node.get("anyOf") or node.get("oneOf")
    if options:
        return {**_kept(node), "anyOf": [_node(option) for option in options]}
    if _is_open(node):
        return {"type": "string", "description": node.get("description", OPEN_OBJECT)}
    if node.get("type") == "object":
        return _closed(node)
    if node.get("type") == "array":
        return {**_kept(node), "items": _node(node.get("items"))}
    if not node.keys() & {"type", "enum", "const"}:
        raise _NotStrict
    return _kept(node)


def _closed(node: JsonSchema) -> JsonSchema:
    required = node.get("required", ())
    properties = {
        name: _node(sub) if name in required or _has_default(sub) else _nullable(_node(sub))
        for name, sub in node.get("properties", {}).items()
    }
    return {
        **_kept(node),
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def _kept(node: JsonSchema) -> JsonSchema:
    return {key: node[key] for key in KEPT if key in node}


def _nullable(node: JsonSchema) -> JsonSchema:
    if _allows_null(node, node):
        return node
    if "anyOf" in node:
        return {**node, "anyOf": [*node["anyOf"], NULL]}
    if node.get("type") in SCALARS and "enum" not in node and "const" not in node:
        return {**node, "type": [node["type"], "null"]}
    return {"anyOf": [node, NULL]}


def _has_default(node: Any) -> bool:
    """Whether a value to write is known where there is nothing to say: an empty list, false."""
    return isinstance(node, dict) and node.get("default") is not None


def _allows_null(node: JsonSchema, root: JsonSchema) -> bool:
    node = _resolved(node, root)
    kind = node.get("type")
    options = node.get("anyOf") or node.get("oneOf") or ()
    return (
        kind == "null"
        or (isinstance(kind, list) and "null" in kind)
        or any(_allows_null(option, root) for option in options)
    )


def _is_open(node: JsonSchema) -> bool:
    """An object whose keys nobody knows beforehand."""
    closed = node.get("additionalProperties", True) is False
    return node.get("type") == "object" and not node.get("properties") and not closed


def _resolved(node: JsonSchema, root: JsonSchema) -> JsonSchema:
    while "$ref" in node:
        target = root.get("$defs", {}).get(str(node["$ref"]).rpartition("/")[2])
        if not isinstance(target, dict):
            return {}
        node = target
    if len(node.get("allOf", ())) == 1:
        return _resolved(node["allOf"][0], root)
    return node


def _loose(value: Any, node: JsonSchema, root: JsonSchema) -> Any:
    node = _fitting(value, _resolved(node, root), root)
    if isinstance(value, str) and _is_open(node):
        return _opened(value)
    if isinstance(value, list) and isinstance(node.get("items"), dict):
        return [_loose(item, node["items"], root) for item in value]
    if isinstance(value, dict) and "properties" in node:
        return {
            name: _loose(item, node["properties"].get(name, {}), root)
            for name, item in value.items()
            if not (item is None and _stands_for_absent(name, node, root))
        }
    return value


def _stands_for_absent(name: str, node: JsonSchema, root: JsonSchema) -> bool:
    sub = node["properties"].get(name)
    return sub is not None and name not in node.get("required", ()) and not _allows_null(sub, root)


def _fitting(value: Any, node: JsonSchema, root: JsonSchema) -> JsonSchema:
    """The one option of a union that a value of this kind can belong to."""
    options = [_resolved(option, root) for option in node.get("anyOf") or node.get("oneOf") or ()]
    if not options:
        return node
    if isinstance(value, str):
        plain = any(option.get("type") == "string" for option in options)
        return {} if plain else next(filter(_is_open, options), {})
    kind = "object" if isinstance(value, dict) else "array" if isinstance(value, list) else None
    return next((option for option in options if kind and option.get("type") == kind), {})


def _opened(text: str) -> Any:
    try:
        value = json.loads(text or "{}")
    except (ValueError, RecursionError):
        return text
    return value if isinstance(value, dict) else text
