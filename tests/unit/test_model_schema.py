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
from orchestrator.models.schema_words import as_type, lean
from orchestrator.models.strict_schema import from_strict, to_strict
from orchestrator.verifying import Verdict


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


def test_strict_decoding_is_told_to_write_a_default_rather_than_null() -> None:
    strict = to_strict(lean(LeadReply.model_json_schema()))
    assert strict is not None
    assert strict["properties"]["in_loop"] == {"type": "boolean"}
    assert strict["properties"]["facts"]["type"] == "array"
    assert strict["properties"]["reason"] == {"type": ["string", "null"]}


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
    # In full, and with null for what equals its default, as a decoder of loose ways writes it.
    for meant in (tree.model_dump(mode="json"), tree.model_dump(exclude_defaults=True)):
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


def named(node: Any) -> set[str]:
    """Every word that a schema uses as a key or as the name of another part."""
    if isinstance(node, dict):
        return set(node).union(*(named(sub) for sub in node.values()))
    return set().union(*(named(sub) for sub in node)) if isinstance(node, list) else set()


@pytest.mark.parametrize("model", [LeadReply, Verdict, Leaf])
def test_a_lean_schema_names_each_part_where_it_is_used(model: type[BaseModel]) -> None:
    schema = model.model_json_schema()
    made = lean(schema)
    assert not named(made) & {"title", "$defs", "$ref"}
    assert len(json.dumps(made)) < 0.8 * len(json.dumps(schema))
    assert strict_complaint(to_strict(made), ()) is None


class Titled(BaseModel):
    """A property may be called what a schema calls its own parts."""

    title: str
    description: str | None = None
    default: list[Leaf] = []


def test_properties_keep_their_names_whatever_these_are() -> None:
    made = lean(Titled.model_json_schema())
    assert list(made["properties"]) == ["title", "description", "default"]
    assert made["properties"]["description"] == {"type": "string"}
    assert as_type(Titled.model_json_schema()).splitlines()[1:3] == [
        "  title: string",
        "  description?: string",
    ]


def test_a_type_that_holds_itself_keeps_its_name() -> None:
    made = lean(Tree.model_json_schema())
    strict = to_strict(made)
    assert strict is not None
    assert strict_complaint(strict, ()) is None
    told = as_type(Tree.model_json_schema())
    assert told.splitlines()[-1] == "Tree"
    assert "children?: Tree[]" in told


@pytest.mark.parametrize(
    ("node", "told"),
    [
        ({"type": "integer", "default": 8}, "n?: integer = 8"),
        ({"type": "boolean", "default": False}, "n?: boolean"),
        ({"enum": ["a", "b"], "type": "string"}, 'n?: "a" | "b"'),
        ({"type": "array", "items": {"enum": ["a", "b"]}}, 'n?: ("a" | "b")[]'),
        ({"type": ["string", "null"]}, "n?: string | null"),
        ({"anyOf": [{"type": "integer"}, {"type": "null"}], "default": None}, "n?: integer"),
        ({"anyOf": [{"type": "integer"}, {"type": "null"}]}, "n?: integer | null"),
        ({"type": "object"}, "n?: object"),
        ({"type": "array"}, "n?: any[]"),
        ({"const": 1}, "n?: 1"),
        (True, "n?: any"),
        ({}, "n?: any"),
    ],
)
def test_a_type_says_what_a_property_may_be(node: Any, told: str) -> None:
    assert as_type({"type": "object", "properties": {"n": node}}) == f"{{\n  {told}\n}}"
