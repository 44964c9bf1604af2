"""Schemas that strict decoding accepts, and replies that fit the schema we meant."""

from __future__ import annotations

import json
from typing import Any, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openai_faults import strict_complaint
from pydantic import BaseModel, ConfigDict

from orchestrator.ledger import LeadReply
from orchestrator.models.strict_schema import from_strict, to_strict


class Leaf(BaseModel):
    model_config = ConfigDict(extra="forbid")
    name: str
    weight: float = 1.0
    tags: list[str] = []
    note: str | None = "none given"


class Tree(BaseModel):
    """Every way of being optional, nested, open or recursive."""

    model_config = ConfigDict(extra="forbid")
    kind: Literal["oak", "fir"] = "oak"
    leaf: Leaf
    leaves: list[Leaf] = []
    best: Leaf | None = None
    either: Leaf | list[Leaf] | str = "none"
    arguments: dict[str, Any] = {}
    counts: dict[str, int] | None = None
    children: list[Tree] = []


class Anything(BaseModel):
    value: Any = None


leaves = st.builds(
    Leaf, weight=st.floats(-9, 9), tags=st.lists(st.text(), max_size=2), note=st.text()
)
values = st.none() | st.booleans() | st.integers() | st.text()


def tree_with(children: st.SearchStrategy[list[Tree]]) -> st.SearchStrategy[Tree]:
    return st.builds(
        Tree,
        kind=st.sampled_from(["oak", "fir"]),
        leaf=leaves,
        leaves=st.lists(leaves, max_size=2),
        best=st.none() | leaves,
        either=leaves | st.lists(leaves, max_size=2) | st.text(),
        arguments=st.dictionaries(st.text(), values | st.lists(values), max_size=3),
        counts=st.none() | st.dictionaries(st.text(), st.integers(), max_size=2),
        children=children,
    )


trees = tree_with(st.lists(tree_with(st.just([])), max_size=2))


@pytest.mark.parametrize("model", [LeadReply, Tree, Leaf])
def test_strict_decoding_has_nothing_against_our_schemas(model: type[BaseModel]) -> None:
    schema = model.model_json_schema()
    assert strict_complaint(schema, ()) is not None
    strict = to_strict(schema)
    assert strict is not None
    assert strict_complaint(strict, ()) is None


def as_a_strict_model_writes(value: Any, schema: dict[str, Any], root: dict[str, Any]) -> Any:
    """Play a strict decoder: every property is there, null if there is nothing to say, and an
    object of unknown keys is JSON text."""
    options = [_target(option, root) for option in schema.get("anyOf", [schema])]
    if isinstance(value, dict):
        closed = [option for option in options if option.get("type") == "object"]
        if not closed:
            return json.dumps(value)
        return {
            name: as_a_strict_model_writes(value.get(name), sub, root)
            for name, sub in closed[0]["properties"].items()
        }
    if isinstance(value, list):
        items = next(option for option in options if option.get("type") == "array")["items"]
        return [as_a_strict_model_writes(item, items, root) for item in value]
    return value


def _target(schema: dict[str, Any], root: dict[str, Any]) -> dict[str, Any]:
    name = schema.get("$ref", "").rpartition("/")[2]
    return root["$defs"][name] if name else schema


@settings(max_examples=60, deadline=None)
@given(trees)
def test_a_reply_survives_the_way_there_and_back(tree: Tree) -> None:
    schema = Tree.model_json_schema()
    strict = to_strict(schema)
    assert strict is not None
    # What equals its default is left out, so that the decoder writes null for it.
    meant = tree.model_dump(mode="json", exclude_defaults=True)
    written = json.dumps(as_a_strict_model_writes(meant, strict, strict))
    read = Tree.model_validate_json(from_strict(written, schema))
    assert read == tree


def test_the_arguments_of_a_direct_tool_call_come_back_as_an_object() -> None:
    written = {
        "request_satisfied": False,
        "facts": None,
        "assignments": [
            {
                "id": "1",
                "agent": "WebSurfer",
                "instruction": "look",
                "after": None,
                "tool": {"name": "fetch", "arguments": '{"url": "https://example.org"}'},
            }
        ],
    }
    text = from_strict(json.dumps(written), LeadReply.model_json_schema())
    reply = LeadReply.model_validate_json(text)
    assert reply.assignments[0].tool is not None
    assert reply.assignments[0].tool.arguments == {"url": "https://example.org"}
    assert "facts" not in json.loads(text)


@pytest.mark.parametrize(
    "text", ["", "no JSON", "[1, 2]", "null", '{"leaf": 3}', '{"arguments": "{half"}', "[" * 9999]
)
def test_what_does_not_fit_is_left_for_its_reader(text: str) -> None:
    assert from_strict(text, Tree.model_json_schema()) == text


@pytest.mark.parametrize(
    "schema",
    [
        Anything.model_json_schema(),
        {"type": "string"},
        {"type": "object", "properties": {"a": {"type": "array"}}},
        {"type": "object", "properties": {"a": True}},
        {"type": "object", "properties": {"a": {"allOf": [{"type": "string"}, {"maxLength": 3}]}}},
    ],
)
def test_what_cannot_be_said_strictly_is_not_said_strictly(schema: dict[str, Any]) -> None:
    assert to_strict(schema) is None
