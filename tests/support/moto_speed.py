"""Shortcuts through moto, which takes most of the time of the tests in process.

moto works out again with each call what it has worked out before: a response's methods, and the
tokens of an expression. In each attribute of an item it looks for all ten types that it could have.
Safe to delete: the tests then take longer, and say the same.
"""

from __future__ import annotations

from collections import deque
from functools import cache
from typing import Any

import pytest
from moto.core import responses
from moto.core.serialize import BaseJSONSerializer
from moto.dynamodb.comparisons import ConditionExpressionParser
from moto.dynamodb.parsing.tokens import ExpressionTokenizer


def take_shortcuts(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(responses, "method_names_from_class", cache(responses.method_names_from_class))
    patch.setattr(ExpressionTokenizer, "make_list", cache(ExpressionTokenizer.make_list))

    lex = ConditionExpressionParser._lex_condition_expression
    conditions: dict[str | None, deque[Any]] = {}

    def lex_once(parser: ConditionExpressionParser) -> deque[Any]:
        expression = parser.condition_expression
        if expression not in conditions:
            conditions[expression] = lex(parser)
        return conditions[expression].copy()  # what parses it empties it

    serialize = BaseJSONSerializer._serialize_type_structure

    def serialize_shortly(
        serializer: BaseJSONSerializer, serialized: Any, value: Any, shape: Any, key: str
    ) -> None:
        if shape.name != "AttributeValue":
            serialize(serializer, serialized, value, shape, key)
            return
        attribute: dict[str, Any] = {}
        for kind, content in value.items():
            serializer._serialize(attribute, content, shape.members[kind], kind)
        serialized[serializer.get_serialized_name(shape, key)] = attribute

    patch.setattr(ConditionExpressionParser, "_lex_condition_expression", lex_once)
    patch.setattr(BaseJSONSerializer, "_serialize_type_structure", serialize_shortly)
