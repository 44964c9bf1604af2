"""Turns an async function or method with type hints into a tool that a model can call.

The name is the function's name, the description its docstring, the schema comes from its
signature. Knows nothing of models or journals.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Awaitable, Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, Literal, TypeVar
from weakref import WeakKeyDictionary

from pydantic import BaseModel, ConfigDict, ValidationError, create_model

from orchestrator.agent import Effect, Json, Observation
from orchestrator.canonical import sha256_of, storable
from orchestrator.errors import ToolFailed
from orchestrator.models.llm import ToolSpec
from orchestrator.models.schema_words import lean

consent_given: ContextVar[frozenset[str]] = ContextVar("consent_given", default=frozenset())
"""The acts (by `consent_to`) that a person or the policy has allowed for the tool that runs."""
words_heard: ContextVar[Mapping[str, str]] = ContextVar("words_heard", default=MappingProxyType({}))
"""While a tool runs: what is said in recordings, by the sha256 of their bytes."""
Risk = Literal["read", "write", "irreversible"]
ToolFunction = Callable[..., Awaitable[Observation]]
F = TypeVar("F", bound=ToolFunction)
_shapes: WeakKeyDictionary[Callable[..., object], tuple[ToolSpec, type[BaseModel]]] = (
    WeakKeyDictionary()
)


@dataclass(frozen=True, slots=True)
class ToolMarks:
    """What `@tool` writes on a function."""

    risk: Risk
    effect: Effect
    direct: bool


@dataclass(frozen=True, slots=True)
class Tool:
    """A callable tool. `direct` tools may be named by the lead without a worker's call."""

    spec: ToolSpec
    arguments: type[BaseModel]
    function: ToolFunction
    marks: ToolMarks

    @property
    def name(self) -> str:
        return self.spec.name

    def parse(self, text: str) -> dict[str, Any]:
        """Arguments from the model's JSON text; raises ToolFailed with the validator's words."""
        try:
            parsed = self.arguments.model_validate(storable(json.loads(text or "{}")))
        except ValidationError as error:
            raise ToolFailed(f"{self.name}: {_in_one_line(error)}") from error
        except (ValueError, RecursionError) as error:
            raise ToolFailed(f"{self.name}: the arguments are not JSON ({error}).") from error
        return {name: getattr(parsed, name) for name in self.arguments.model_fields}


def consent_to(details: dict[str, Any]) -> str:
    """What a consent is bound to: the whole action as it was shown. Of a request that a script
    sends the values are left out, since no two of them are quite the same."""
    kept = {name: value for name, value in details.items() if name != "why"}
    if details.get("action") == "send":
        kept["url"] = str(kept.get("url")).partition("?")[0]
        kept["fields"] = [field["name"] for field in kept.get("fields", [])]
    return sha256_of(kept)


def tool(
    *, risk: Risk = "read", effect: Effect = "idempotent", direct: bool = False
) -> Callable[[F], F]:
    """Mark an async method as a tool. It returns an Observation or raises ToolFailed."""

    def mark(function: F) -> F:
        function.__tool__ = ToolMarks(risk, effect, direct)  # type: ignore[attr-defined]
        return function

    return mark


def tools_of(owner: object) -> dict[str, Tool]:
    """Every tool of an object (or module), in the order in which they are written."""
    names = list(vars(owner)) if inspect.ismodule(owner) else _attribute_order(type(owner))
    found = ((name, getattr(owner, name, None)) for name in names)
    return {name: make_tool(f, marks) for name, f in found if f and (marks := _marks(f))}


def tools_of_class(
    cls: type, call: Callable[[str, dict[str, Any]], Awaitable[Observation]]
) -> dict[str, Tool]:
    """The tools of a class whose object does not exist yet; `call(name, arguments)` does them."""
    found: dict[str, Tool] = {}
    for name in _attribute_order(cls):
        function = getattr(cls, name, None)
        marks = _marks(function)
        if function is None or marks is None:
            continue
        built = make_tool(function, marks)
        found[name] = replace(built, function=_calling(call, name))
    return found


def make_tool(function: ToolFunction, marks: ToolMarks) -> Tool:
    """Build a Tool from a function; parameters without a type hint are an error of its author."""
    spec, arguments = _shape(getattr(function, "__func__", function))
    return Tool(spec, arguments, function, marks)


def _shape(function: Callable[..., object]) -> tuple[ToolSpec, type[BaseModel]]:
    """What the signature says, read once per function: building a model of it takes milliseconds,
    and every assignment asks."""
    known = _shapes.get(function)
    if known is None:
        known = _shapes[function] = _read_signature(function)
    return known


def _read_signature(function: Callable[..., object]) -> tuple[ToolSpec, type[BaseModel]]:
    signature = inspect.signature(function, eval_str=True)
    fields: dict[str, Any] = {}
    for parameter in signature.parameters.values():
        if parameter.name == "self":
            continue
        if parameter.annotation is inspect.Parameter.empty:
            raise TypeError(f"{function.__qualname__}: parameter {parameter.name} has no type")
        missing = parameter.default is inspect.Parameter.empty
        fields[parameter.name] = (parameter.annotation, ... if missing else parameter.default)
    name = function.__name__
    arguments = create_model(name, __config__=ConfigDict(extra="forbid"), **fields)
    schema = lean(arguments.model_json_schema())
    del schema["additionalProperties"]  # what is unknown is refused below, with words
    description = inspect.cleandoc(function.__doc__ or "")
    return ToolSpec(name=name, description=description, parameters=schema), arguments


def jsonable(arguments: dict[str, Any]) -> Json:
    """Parsed arguments as the journal can hold them."""
    return json.loads(json.dumps(arguments, default=lambda value: value.model_dump(mode="json")))


def _marks(function: object) -> ToolMarks | None:
    marks = getattr(function, "__tool__", None)
    return marks if isinstance(marks, ToolMarks) else None


def _calling(
    call: Callable[[str, dict[str, Any]], Awaitable[Observation]], name: str
) -> ToolFunction:
    async def run(**arguments: Any) -> Observation:
        return await call(name, arguments)

    return run


def _attribute_order(cls: type) -> list[str]:
    ordered: dict[str, None] = {}
    for base in reversed(cls.__mro__):
        ordered.update(dict.fromkeys(vars(base)))
    return list(ordered)


def _in_one_line(error: ValidationError) -> str:
    return "; ".join(
        f"{'.'.join(str(part) for part in fault['loc']) or 'arguments'}: {fault['msg']}"
        for fault in error.errors()
    )
