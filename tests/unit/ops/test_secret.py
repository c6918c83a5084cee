"""`make secret` and `make outputs`: rotation keeps the value before, and no value is ever written to the screen."""

import io
import json
import subprocess
from types import SimpleNamespace

import pytest

from ops import outputs, secret
from ops.stack import Stack, StackError

KEPT = {
    "SigningSecretName": {"signing": "the-old-key"},
    "ProviderSecretName": {"replicate": "r8_old", "replicateWebhook": "whsec_old"},
    "SignInSecretName": {},
    "StripeSecretName": {"secretKey": "rk_live_old", "webhookSecret": "whsec_old"},
}


class Store:
    """Secrets Manager, by the names of the stack's outputs."""

    def __init__(self):
        self.kept = {name: dict(value) for name, value in KEPT.items()}
        self.writes = 0

    def client(self, _service):
        return self

    def output(self, name):
        return name

    def get_secret_value(self, *, SecretId):  # noqa: N803 - as AWS names it
        return {"SecretString": json.dumps(self.kept[SecretId])}

    def put_secret_value(self, *, SecretId, SecretString):  # noqa: N803
        self.writes += 1
        self.kept[SecretId] = json.loads(SecretString)


@pytest.fixture
def store():
    return Store()


@pytest.fixture
def say(store, capsys):
    """Type a command, with something on its standard input; return exit code and all that was written."""

    def typed(typed_in="", **variables):
        code = secret.main([], variables, stack_named=lambda _: store, stdin=io.StringIO(typed_in))
        said = capsys.readouterr()
        return code, said.out + said.err

    return typed


def test_a_new_value_takes_the_place_and_the_others_stay(store, say):
    """A provider's token has no overlap: the old one is revoked at the provider."""
    code, said = say("r8_new\n", FIELD="replicate")
    assert (code, "r8_" in said) == (0, False)
    assert store.kept["ProviderSecretName"] == {"replicate": "r8_new", "replicateWebhook": "whsec_old"}


@pytest.mark.parametrize(
    ("field", "output", "previous"),
    [
        ("replicateWebhook", "ProviderSecretName", "replicateWebhookPrevious"),
        ("webhookSecret", "StripeSecretName", "webhookSecretPrevious"),
    ],
)
def test_a_rotation_keeps_the_value_before_until_it_is_over(store, say, field, output, previous):
    """Both are accepted meanwhile; the end removes the old one alone."""
    assert say("whsec_new", FIELD=field)[0] == 0
    assert (store.kept[output][field], store.kept[output][previous]) == ("whsec_new", "whsec_old")
    assert "the one before is kept" in say()[1]
    assert say(FIELD=field, DO="forget")[0] == 0
    assert store.kept[output] == KEPT[output] | {field: "whsec_new"}
    assert say(FIELD=field, DO="forget")[0] == 1


def test_the_signing_key_is_made_here_and_the_old_one_still_counts(store, say):
    """Long, random, never shown; the names are those that the product reads."""
    code, said = say(FIELD="signing")
    kept = store.kept["SigningSecretName"]
    assert (code, kept["previous"], len(kept["signing"]) >= 64) == (0, "the-old-key", True)
    assert kept["signing"] not in said
    assert secret.FIELDS["signing"].previous == "previous"


def test_a_nervous_second_rotation_signs_nobody_out(store, say):
    """The key is made anew each time: a repeat would drop the one that everybody's cookies are signed with."""
    say(FIELD="signing")
    kept = dict(store.kept["SigningSecretName"])
    code, said = say(FIELD="signing")
    assert (code, "DO=forget" in said, store.kept["SigningSecretName"]) == (1, True, kept)
    say(FIELD="signing", DO="forget")
    assert say(FIELD="signing")[0] == 0
    assert store.kept["SigningSecretName"]["previous"] == kept["signing"]


@pytest.mark.parametrize(
    ("typed_in", "field", "told"),
    [
        ("", "replicate", "empty"),
        ("r8_a b", "replicate", "blank"),
        ("sk_live_x", "replicate", "begins with r8_"),
        ("whsec_x", "secretKey", "begins with sk_ or rk_"),
        ("r8_old", "replicate", "this value already"),
    ],
)
def test_what_cannot_be_right_is_refused_before_anything_is_stored(store, say, typed_in, field, told):
    """The value of another field, a slip of the paste, a rotation that was done before."""
    code, said = say(typed_in, FIELD=field)
    assert (code, told in said, store.writes) == (1, True, 0), said


def test_a_field_that_nobody_reads_is_refused(say, store):
    """A typing error would be stored and never used."""
    for wish in ({"FIELD": "replicateToken"}, {"FIELD": "replicate", "DO": "remove"}):
        assert say("x", **wish)[0] == 1
    assert store.writes == 0


def test_no_value_is_ever_shown(store, say):
    """Names and whether they are set, that is all."""
    said = say()[1]
    assert said.count("\n") == len(secret.FIELDS)
    assert not any(value in said for kept in KEPT.values() for value in kept.values())
    assert "replicate         set" in said
    assert "googleId          not set" in said


def test_outputs_are_variables_that_a_shell_takes_whatever_is_in_them():
    """Quotes and blanks arrive as they are; the emulator's address and keys come with the local stack alone."""
    strange = 'a\'b "$(touch /tmp/never)" c'
    stack = SimpleNamespace(
        env="local",
        name="stack",
        url="http://127.0.0.1:8787",
        region="eu-central-1",
        outputs={"TableName": strange},
    )
    for endpoint in (None, "http://127.0.0.1:4566"):
        stack.endpoint = endpoint
        found = outputs.variables(stack)
        assert found["TableName"] == strange
        assert ("AWS_ENDPOINT_URL" in found, "AWS_ACCESS_KEY_ID" in found) == (bool(endpoint), bool(endpoint))


def test_outputs_are_printed_quoted(capsys):
    """What `eval` gets is read back by a real shell."""
    stack = Stack("staging", "a stack", "eu-central-1")
    vars(stack)["outputs"] = {"ApiUrl": "https://x", "Odd": "it's; echo no"}
    vars(stack)["parameters"] = {}
    assert outputs.main(["staging"], stack_named=lambda _: stack) == 0
    script = capsys.readouterr().out + 'printf "%s|%s" "$STACK" "$Odd"'
    said = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True).stdout
    assert said == "a stack|it's; echo no"


def test_the_local_command_line_goes_to_the_emulator_for_every_service(capsys):
    """Queues included: the address is given with each call."""
    stack = Stack("local", "stack", "eu-central-1", endpoint="http://127.0.0.1:4566")
    vars(stack)["outputs"] = {"ApiUrl": "http://127.0.0.1:8787"}
    vars(stack)["parameters"] = {}
    assert outputs.main(["local"], stack_named=lambda _: stack) == 0
    called = capsys.readouterr().out + 'command() { echo "$@"; }\naws sqs list-queues'
    said = subprocess.run(["bash", "-c", called], capture_output=True, text=True, check=True).stdout
    assert said == "aws --endpoint-url http://127.0.0.1:4566 sqs list-queues\n"


def test_outputs_of_a_stack_that_is_not_there(capsys):
    """Nothing is printed that `eval` would take."""

    def lost(_env):
        raise StackError("No such stack.")

    assert outputs.main(["x"], stack_named=lost) == 1
    assert capsys.readouterr() == ("", "No such stack.\n")
