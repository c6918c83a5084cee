"""AWS in memory: the table of the template, the bucket and the signing secret, on moto. For one thread only."""

from __future__ import annotations

import copy
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any
from unittest import mock

import boto3
import moto.dynamodb.models as moto_models
from moto import mock_aws
from moto.core import DEFAULT_ACCOUNT_ID
from moto.dynamodb import dynamodb_backends
from moto.dynamodb.models.dynamo_type import DynamoType

from enhancer import runtime
from enhancer.adapters.dynamodb.table import _plain
from local.providers import PRICES, quote_free
from tests.support import template
from tests.support.callbacks import OLD_SECRET, WEBHOOK_SECRET
from tests.support.dynamodb_requests import held_to_the_rules

REGION = "eu-central-1"
TABLE, BUCKET, SECRET, PROVIDERS, STRIPE = "table", "photos", "signing", "providers", "stripe"
STATE_MACHINE = f"arn:aws:states:{REGION}:123456789012:stateMachine:enhance"
SIGNING_KEY = b"the-signing-key-of-the-tests-0123456789abcdef"
ORIGIN = "http://127.0.0.1:8787"
"""Where the page lives: the address of the local stack, so that the event files are good for both."""
PROVIDER_SECRETS = {"replicateWebhook": WEBHOOK_SECRET, "replicateWebhookPrevious": OLD_SECRET}
"""No tokens: without one, a provider is switched off."""
STRIPE_SECRETS = {
    "secretKey": "sk_test_local",
    "webhookSecret": "whsec_stripe_new",
    "webhookSecretPrevious": "whsec_stripe_old",
}
SECRETS = {SECRET: {"signing": SIGNING_KEY.decode()}, PROVIDERS: PROVIDER_SECRETS, STRIPE: STRIPE_SECRETS}
ENVIRONMENT = {
    "ENVIRONMENT": "development",
    "TABLE_NAME": TABLE,
    "BUCKET_NAME": BUCKET,
    "SIGNING_SECRET_NAME": SECRET,
    "PROVIDER_SECRET_NAME": PROVIDERS,
    "STRIPE_SECRET_NAME": STRIPE,
    "STRIPE_BASE_URL": "http://127.0.0.1:9",  # where nobody answers
    "CREDITS_PRICING_TABLE": quote_free(PRICES["CreditsPricingTable"]),
    "PRICING_TABLE": quote_free(PRICES["PricingTable"]),
    "PRICING_TABLE_ANNUAL": quote_free(PRICES["PricingTableAnnual"]),
    "UPSCALE_FUNCTION_NAME": "upscale",
    "STATE_MACHINE_ARN": STATE_MACHINE,
    "APP_ORIGIN": ORIGIN,
    "ALLOWED_ORIGINS": "",
    "WORKERS_AI_ENABLED": "0",
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_DEFAULT_REGION": REGION,
    "AWS_REGION": REGION,
    "POWERTOOLS_METRICS_DISABLED": "true",
    "POWERTOOLS_METRICS_NAMESPACE": "tests",
}
FOREIGN = (
    "AWS_ENDPOINT_URL",
    "AWS_PROFILE",
    "AWS_SESSION_TOKEN",
    "AWS_CONFIG_FILE",
    "AWS_SHARED_CREDENTIALS_FILE",
)


def clear_caches() -> None:
    """Let `runtime` read its settings and build its clients anew."""
    for builder in vars(runtime).values():
        if hasattr(builder, "cache_clear"):
            builder.cache_clear()


@contextmanager
def environment() -> Iterator[None]:
    """The settings of a function, and no way to a real account; everything is as it was afterwards."""
    with mock.patch.dict(os.environ, ENVIRONMENT):
        for name in FOREIGN:
            os.environ.pop(name, None)
        clear_caches()
        yield
    clear_caches()


@contextmanager
def cloud() -> Iterator[None]:
    """Environment, table, bucket and secrets, fresh; everything is as it was afterwards."""
    with environment(), _one_snapshot_per_transaction(), mock_aws(), held_to_the_rules():
        create_table()
        s3: Any = boto3.client("s3")
        s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
        for name, value in SECRETS.items():
            store_secret(value, create=True, name=name)
        yield


def create_table() -> None:
    """Create the table as the template defines it, empty."""
    definition = template.load()
    client: Any = boto3.client("dynamodb")
    if TABLE in client.list_tables()["TableNames"]:
        client.delete_table(TableName=TABLE)
    client.create_table(**template.table_definition(definition, TABLE))
    client.update_time_to_live(TableName=TABLE, TimeToLiveSpecification=template.time_to_live(definition))


def store_secret(value: dict[str, str], *, create: bool = False, name: str = SECRET) -> None:
    """Put this JSON object where the signing key is read from, or the secrets of the providers."""
    client: Any = boto3.client("secretsmanager")
    if create:
        client.create_secret(Name=name, SecretString=json.dumps(value))
    else:
        client.put_secret_value(SecretId=name, SecretString=json.dumps(value))


def records(keys: Iterable[Mapping[str, Any]] | None = None) -> list[dict[str, Any]]:
    """Everything in the table or under these keys, in plain values, without a call that a test might count."""
    table = dynamodb_backends[DEFAULT_ACCOUNT_ID][REGION].tables[TABLE]
    if keys is None:
        stored = table.all_items()
    else:
        typed = [[DynamoType({"S": one.get(part, "")}) for part in ("pk", "sk")] for one in keys]
        found = (table.items.get(pk, {}).get(sk) for pk, sk in typed)
        stored = [one for one in found if one]
    return [_plain(item.to_regular_json()) for item in stored]


def empty_table() -> None:
    """Delete every record, fast."""
    dynamodb_backends[DEFAULT_ACCOUNT_ID][REGION].tables[TABLE].items.clear()


@contextmanager
def _one_snapshot_per_transaction() -> Iterator[None]:
    """Moto copies the whole table once per item of a transaction to be able to roll back; once is enough."""
    snapshots: dict[int, Any] = {}
    backend = moto_models.DynamoDBBackend
    whole = backend.transact_write_items

    def deepcopy(thing: Any) -> Any:
        if not isinstance(thing, moto_models.Table):
            return copy.deepcopy(thing)
        if id(thing) not in snapshots:
            snapshots[id(thing)] = copy.deepcopy(thing)
        return snapshots[id(thing)]

    def transact_write_items(self: Any, transact_items: Any) -> None:
        snapshots.clear()
        whole(self, transact_items)

    with (
        mock.patch.object(moto_models, "copy", SimpleNamespace(deepcopy=deepcopy, copy=copy.copy)),
        mock.patch.object(backend, "transact_write_items", transact_write_items),
    ):
        yield
