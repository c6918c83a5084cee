"""What the documents say about deploying, through make and SAM's own command line into the settings of a function."""

import json
import re
import shlex
import shutil
import subprocess
import tomllib

import click
import pytest
from samcli.cli.types import CfnParameterOverridesType
from samcli.commands.deploy.command import cli as sam_deploy

from enhancer.settings import ENVIRONMENTS, BadSetting, Settings
from local.providers import PRICES, quote_free
from local.stack import LocalStack
from tests.support import template

TEMPLATE = template.load()
PARAMETERS = TEMPLATE["Parameters"]
DOCUMENTS = {path.relative_to(template.ROOT): path.read_text("utf-8")
             for path in [*template.ROOT.glob("*.md"), *template.ROOT.glob("docs/*.md")]}  # fmt: skip
COMMANDS = [found.replace("\\\n", " ") for found in re.findall(
    r"^ *(make deploy (?:[^\n]*\\\n)*[^\n]*)", "\n".join(DOCUMENTS.values()), re.MULTILINE)]  # fmt: skip
TOLD = sorted({(name, value.rstrip(".,;:"))
               for text in [*DOCUMENTS.values(), *(str(found.get("Description")) for found in PARAMETERS.values())]
               for name, value in re.findall(r"\b([A-Z]\w+)=([^\s`\"|]+)", text) if name in PARAMETERS})  # fmt: skip
CONFIG = tomllib.loads((template.ROOT / "samconfig.toml").read_text("utf-8"))


def arrives(overrides):
    """Name -> value of the parameters, as SAM's command line takes them."""
    found = CfnParameterOverridesType().convert(tuple(overrides), None, None)
    assert isinstance(found, dict)
    return found


def deployed(overrides):
    """The settings of a function whose stack has these parameters; each is checked as CloudFormation checks it."""
    given = {name: str(found.get("Default", "")) for name, found in PARAMETERS.items()} | overrides
    for name, value in given.items():
        rule = PARAMETERS[name]
        assert re.search(rule.get("AllowedPattern", ""), value), (name, value)
        assert value in map(str, rule.get("AllowedValues", [value])), (name, value)
    variables = dict(TEMPLATE["Globals"]["Function"]["Environment"]["Variables"])
    for found in template.functions(TEMPLATE).values():
        variables |= found.get("Environment", {}).get("Variables", {})
    return Settings.load(
        {name: given.get(value["Ref"], "x") for name, value in variables.items() if "Ref" in value}
    )


def sam_arguments(command):
    """What ``make`` hands to ``sam deploy`` for a documented command, without running it."""
    make = [str(shutil.which("make")), "-n", "-s", *shlex.split(command.partition("#")[0])[1:]]
    shown = subprocess.run(make, cwd=template.ROOT, capture_output=True, text=True, check=True).stdout
    (line,) = [one for one in shown.splitlines() if one.startswith("sam deploy")]
    return shlex.split(line)[2:]


def parsed(arguments):
    """The options of ``sam deploy``, by its own parser."""
    context = click.Context(sam_deploy)
    values, left, _ = sam_deploy.make_parser(context).parse_args(list(arguments))
    assert left == []
    return values


def test_the_documents_show_how_to_deploy():
    """Otherwise nothing below looks at anything."""
    assert len(COMMANDS) >= 6
    assert {"AppOrigin", "AlertEmail", "CreditsPricingTable", "PricingTable", "TestingAllowedCfModels"} <= {
        name for name, _ in TOLD
    }


@pytest.mark.parametrize("command", COMMANDS)
def test_a_documented_command_sets_what_it_says(command):
    """Through make, the shell and SAM: every parameter arrives whole, and a function can be loaded with it."""
    values = parsed(sam_arguments(command))
    written = dict(word.split("=", 1) for word in shlex.split(command.partition("#")[0])[2:])
    wanted = dict(one.split("=", 1) for one in written.get("PARAMETERS", "").split())
    found = arrives(values["parameter_overrides"])
    release = found.pop("Release")
    deployed({"Release": release})
    assert re.fullmatch(
        r"[0-9]{10}[0-9a-f]{7}", release
    )  # another one each minute, so nothing stays undeployed
    assert found == wanted | {"Environment": written["ENV"]}
    assert values["config_env"] == written["ENV"]
    assert deployed(found).environment == written["ENV"]


@pytest.mark.parametrize(("name", "value"), TOLD)
def test_a_documented_parameter_arrives_whole(name, value):
    """Also one that a sentence or the template's own description mentions."""
    assert arrives([f"{name}={value}"]) == {name: value}
    deployed({name: value})


@pytest.mark.parametrize("name", PRICES)
def test_the_price_tables_of_the_local_stack_are_parameters_too(name):
    """The same form goes to the emulator and to AWS."""
    assert arrives([f"{name}={quote_free(PRICES[name])}"]) == {name: quote_free(PRICES[name])}
    found = deployed({name: quote_free(PRICES[name])})
    assert PRICES[name] in (found.credits_prices, found.monthly_prices, found.annual_prices)


@pytest.mark.parametrize("name", [*PRICES, "TestingAllowedCfModels", "AllowedOrigins"])
@pytest.mark.parametrize(
    "written", ["{", "[", '"', "a b", "a=b=c", "100:price_1", "pro=price_1;team=price_2", "free=price_1"]
)
def test_a_malformed_list_is_refused_before_anything_is_deployed(name, written):
    """What SAM leaves of a quoted one, too: it would deploy, and no function could be loaded."""
    with pytest.raises((AssertionError, BadSetting)):
        deployed({name: written})
    assert not re.search(PARAMETERS[name]["AllowedPattern"], written) or name == "TestingAllowedCfModels"


def test_quotes_do_not_survive_the_way():
    """Why no parameter is JSON."""
    assert arrives(["CreditsPricingTable=" + json.dumps({"100": "price_1"})])["CreditsPricingTable"] == "{"


@pytest.mark.parametrize("environment", [one for one in ENVIRONMENTS if one != "development"])
def test_every_environment_can_be_deployed_by_its_name(environment):
    """Its own stack, nothing asked but by production, and its environment even without make."""
    found = CONFIG[environment]["deploy"]["parameters"]
    assert arrives([found["parameter_overrides"]]) == {"Environment": environment}
    assert found["confirm_changeset"] is (environment == "production")
    assert found["resolve_s3"] is True
    names = [CONFIG[one]["deploy"]["parameters"]["stack_name"] for one in ENVIRONMENTS if one in CONFIG]
    assert names.count(found["stack_name"]) == 1


def test_the_local_stack_is_deployed_with_parameters_that_arrive_whole(tmp_path):
    """Its command is the one for AWS, with other values."""
    stack = LocalStack(port=8787, emulator_port=4566, state=tmp_path, parameters={"UpscaleMemory": "2048"})
    found = arrives(stack._overrides())
    assert found.items() >= {"AppOrigin": stack.url, "Local": "true", "UpscaleMemory": "2048"}.items()
    assert found.keys() <= PARAMETERS.keys()
    assert deployed(found).credits_prices == PRICES["CreditsPricingTable"]
