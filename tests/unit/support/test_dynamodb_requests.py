"""What DynamoDB refuses whatever is stored is refused in the tests on moto, too."""

import boto3
import pytest

from enhancer import runtime
from enhancer.adapters.dynamodb.table import Write
from tests.support import aws
from tests.support.dynamodb_requests import EXPRESSIONS, Refused, check

ONE, KEY = {"S": "x"}, {"pk": {"S": "a"}, "sk": {"S": "b"}}


@pytest.mark.parametrize("expression", EXPRESSIONS)
@pytest.mark.parametrize(
    "request_",
    [
        {"text": "status = :x", "values": {":x": ONE}},
        {"text": "pk = :x AND a.Total = :x", "values": {":x": ONE}},
        {"text": "pk = :x", "values": {":x": ONE, ":y": ONE}},
        {"text": "pk = :x", "values": {}},
        {"text": "#s = :x", "values": {":x": ONE}},
        {"text": "pk = :x", "values": {":x": ONE}, "names": {"#s": "status"}},
        {"text": "pk = :x", "values": {":x": {"SS": []}}},
    ],
)
def test_an_expression_that_dynamodb_does_not_take_is_refused(expression, request_):
    """A reserved word, a place-holder too many or too few, an empty set; in every kind of expression."""
    request = {expression: request_["text"], "ExpressionAttributeValues": request_["values"]}
    with pytest.raises(Refused):
        check("UpdateItem", request | {"ExpressionAttributeNames": request_.get("names", {})})


def test_what_dynamodb_takes_is_let_through():
    """Names in place of reserved words, functions and operators."""
    assert check("UpdateItem", {
        "UpdateExpression": "SET #s = if_not_exists(kept, :x) REMOVE former ADD amount :n",
        "ConditionExpression": "attribute_not_exists(pk) OR NOT begins_with(sk, :x) AND size(tags) BETWEEN :n AND :n",
        "ExpressionAttributeNames": {"#s": "status"}, "ExpressionAttributeValues": {":x": ONE, ":n": {"N": "1"}},
    }) is None  # fmt: skip


@pytest.mark.parametrize(
    ("operation", "request_"),
    [
        ("TransactWriteItems", {"TransactItems": [{"Delete": {"Key": KEY}}, {"Put": {"Item": KEY | {"n": ONE}}}]}),
        ("TransactWriteItems", {"TransactItems": [
            {"ConditionCheck": {"Key": KEY, "ConditionExpression": "attribute_exists(status)"}}]}),
        ("BatchGetItem", {"RequestItems": {"table": {"Keys": [KEY, KEY]}}}),
        ("BatchGetItem", {"RequestItems": {"table": {"Keys": [
            {"pk": {"S": "a"}, "sk": {"S": str(number)}} for number in range(101)]}}}),
    ],
)  # fmt: skip
def test_an_item_twice_too_many_and_a_bad_part_are_refused(operation, request_):
    """In a transaction and in a batch of reads."""
    with pytest.raises(Refused):
        check(operation, request_)


def test_every_test_on_moto_is_held_to_it(cloud):
    """Through the product's own table and past it."""
    key = {"pk": "a", "sk": "b"}
    with pytest.raises(Refused):
        runtime.table().transact([Write("Delete", key), Write("Delete", key)])
    with pytest.raises(Refused):
        runtime.table().update(key, "SET status = :x", values={":x": 1})
    with pytest.raises(Refused):
        boto3.client("dynamodb").scan(TableName=aws.TABLE, FilterExpression="status = pk")
