"""The state machine as it is written: bounded in time and tries, named after the code, blind to all but ids."""

import json
import re

import pytest
from jsonata import Jsonata

from enhancer.domain import errors, recovery
from enhancer.domain.jobs import DEADLINE_MS
from tests.support import functions, template

FILE = template.ROOT / "statemachines/enhance.asl.json"
MACHINE = json.loads(FILE.read_text("utf-8"))
TEMPLATE = template.load()
(RESOURCE,) = (
    found["Properties"] for found in template.resources(TEMPLATE, "AWS::Serverless::StateMachine").values()
)
FUNCTIONS = template.functions(TEMPLATE)
ITEMS = MACHINE["States"]["Items"]
INNER = ITEMS["ItemProcessor"]["States"]
TASKS = {name: state for name, state in (INNER | MACHINE["States"]).items() if state["Type"] == "Task"}
RETRIES = [(name, retry) for name, state in TASKS.items() for retry in state.get("Retry", [])]
CATCHES = [
    (name, catch) for name, state in (INNER | MACHINE["States"]).items() for catch in state.get("Catch", [])
]
LAMBDA = {
    "Lambda.ServiceException", "Lambda.AWSLambdaException", "Lambda.SdkClientException",
    "Lambda.TooManyRequestsException", "Lambda.Unknown",
}  # fmt: skip
IDS = {"ownerType", "ownerId", "jobId", "attempt", "item", "turn"}


def snake(name):
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


def custom(equals):
    """Error names that are ours: no prefix of the cloud's."""
    return {name for name in equals if "." not in name}


def test_it_is_written_in_one_language():
    """JSONata throughout; no state speaks another one or the old paths."""
    assert MACHINE["QueryLanguage"] == "JSONata"
    text = FILE.read_text("utf-8")
    other = r'"(InputPath|OutputPath|ResultPath|ResultSelector|Parameters|\w+\.\$)"'
    assert not re.search(other, text)
    assert text.count("QueryLanguage") == 1
    assert RESOURCE["Type"] == "STANDARD"


def test_the_machine_ends_in_time():
    """Ten items one after the other, each with all its tries, fit into its two hours; nothing runs for ever."""
    assert MACHINE["TimeoutSeconds"] == 7200
    assert all(state["TimeoutSeconds"] < MACHINE["TimeoutSeconds"] for state in TASKS.values())


@pytest.mark.parametrize("name", TASKS)
def test_every_task_has_a_timeout(name):
    """And gives its function the time it may take, with a margin."""
    assert TASKS[name]["TimeoutSeconds"] > FUNCTIONS[name]["Timeout"]
    assert TASKS[name]["TimeoutSeconds"] <= 280


def test_a_call_back_is_given_up_before_its_job_expires():
    """The step that waits ends within the deadline that its own start has set, so the sweep is never faster."""
    waits = TASKS["StartPrediction"]["TimeoutSeconds"]
    assert waits * 1000 < DEADLINE_MS


@pytest.mark.parametrize(("name", "retry"), RETRIES, ids=[name for name, _ in RETRIES])
def test_every_retry_is_bounded_and_backs_off_with_full_jitter(name, retry):
    """A handful of tries, further and further apart, never all at the same moment."""
    assert 1 <= retry["MaxAttempts"] <= 5
    assert retry["IntervalSeconds"] >= 1
    assert retry["BackoffRate"] >= 2
    assert retry["MaxDelaySeconds"] <= 60
    assert retry["JitterStrategy"] == "FULL"


def test_every_task_is_retried():
    """None gives up at the first hiccup of the cloud."""
    assert {name for name, _ in RETRIES} == set(TASKS)


@pytest.mark.parametrize(("name", "retry"), RETRIES, ids=[name for name, _ in RETRIES])
def test_only_what_passes_is_retried(name, retry):
    """Hiccups of the cloud only: errors of ours are FinishItem's to decide. The steps that end things retry on all."""
    equals = set(retry["ErrorEquals"])
    if name in ("FinishItem", "FinishJob"):
        assert equals == {"States.ALL"}
        return
    assert equals == LAMBDA


def test_only_finish_item_decides_whether_to_try_again():
    """Its answer is read once, waited for, and starts the next turn; every other end is the end."""
    assert INNER["Again"] == {
        "Type": "Choice",
        "Choices": [{"Condition": "{% $states.input.again %}", "Next": "Wait"}],
        "Default": "Done",
    }
    assert (INNER["Wait"]["Type"], INNER["Wait"]["Seconds"]) == ("Wait", "{% $states.input.seconds %}")
    assert INNER["Wait"]["Output"] == "{% $merge([$ref, {'turn': $ref.turn + 1}]) %}"
    assert INNER["Wait"]["Next"] == "StartPrediction"
    assert INNER["Done"] == {"Type": "Pass", "Output": {}, "End": True}


def test_the_longest_wait_leaves_the_job_alive():
    """A job waits within the deadline that its last turn has set."""
    assert recovery.PATIENCE_SECONDS * 1000 < DEADLINE_MS


@pytest.mark.parametrize(("name", "rule"), RETRIES + CATCHES, ids=[name for name, _ in RETRIES + CATCHES])
def test_every_error_of_ours_is_a_class_that_can_be_raised(name, rule):
    """A renamed class does not silently stop being matched."""
    known = {leaf.__name__ for leaf in errors.leaves()}
    assert custom(rule["ErrorEquals"]) <= known


def test_states_functions_folders_and_substitutions_have_one_name():
    """StartPrediction: state, logical id, placeholder; start_prediction: folder. In both directions."""
    for name, state in TASKS.items():
        assert state["Arguments"]["FunctionName"] == f"${{{name}}}"
        assert RESOURCE["DefinitionSubstitutions"][name] == {"Fn::Sub": f"${{{name}.Arn}}:live"}
        assert FUNCTIONS[name]["CodeUri"] == f"functions/{snake(name)}"
        assert snake(name) in functions.NAMES
    steps = {name for name in FUNCTIONS if f"steps.{snake(name)}(" in source(name)}
    assert set(TASKS) == steps == set(RESOURCE["DefinitionSubstitutions"]) - {"Partition"}


def source(name):
    """The code of a function."""
    return (template.ROOT / FUNCTIONS[name]["CodeUri"] / "app.py").read_text("utf-8")


def test_every_placeholder_is_filled_in():
    """None reaches the cloud as it is written, and none is given in vain."""
    used = set(re.findall(r"\$\{(\w+)\}", FILE.read_text("utf-8")))
    assert used == set(RESOURCE["DefinitionSubstitutions"])


def test_the_machine_may_call_its_steps_and_nothing_else():
    """Least privilege: four functions, by name."""
    (policy,) = RESOURCE["Policies"]
    (statement,) = policy["Statement"]
    assert statement["Action"] == "lambda:InvokeFunction"
    assert {one["Fn::Sub"] for one in statement["Resource"]} == {f"${{{name}.Arn}}:live" for name in TASKS}


def test_only_ids_travel():
    """An item is told who, which job, attempt and item; a waiting step its token; an ending one the error."""
    assert set(ITEMS["ItemSelector"]) == IDS
    assert set(TASKS["StartPrediction"]["Arguments"]["Payload"]) == IDS | {"token"}
    assert TASKS["PollPrediction"]["Arguments"]["Payload"] == "{% $ref %}"
    assert TASKS["FinishItem"]["Arguments"]["Payload"] == "{% $merge([$ref, {'error': $error}]) %}"
    assert TASKS["FinishJob"]["Arguments"]["Payload"] == "{% $job %}"


@pytest.mark.parametrize(("sent", "turn"), [({"turn": 2}, 2), ({"turn": 0}, 0), ({}, 0)])
def test_an_execution_without_a_turn_starts_in_the_first(sent, turn):
    """While a deployment is under way, functions of the version before start the new machine."""
    asked = Jsonata.jsonata(ITEMS["ItemSelector"]["turn"].removeprefix("{%").removesuffix("%}"))
    known = asked.create_frame()
    known.bind("states", {"input": {"jobId": "j", **sent}})
    assert asked.evaluate(None, known) == turn


def test_what_travels_is_what_came_in():
    """References hold the input, errors their class: no cause, whose text might tell secrets, is ever passed on."""
    texts = {text for state in (INNER | MACHINE["States"]).values() for text in assigned(state)}
    assert texts == {"{% $states.input %}", "{% $states.errorOutput.Error %}", None}
    assert "Cause" not in FILE.read_text("utf-8")


def assigned(state):
    """Every value that a state or one of its catches keeps."""
    for part in (state, *state.get("Catch", [])):
        yield from part.get("Assign", {}).values()


def test_the_last_steps_pass_nothing_on():
    """Input and output stay small, whatever the job; an item passes on its decision and then nothing."""
    assert TASKS["FinishItem"]["Output"] == "{% $states.result.Payload %}"
    assert [INNER["Done"]["Output"], ITEMS["Output"], TASKS["FinishJob"]["Output"]] == [{}, {}, {}]


def test_every_failure_leads_to_a_step_that_decides():
    """No item and no job ends without FinishItem or FinishJob, and what follows them cannot fail.

    A FinishItem that keeps breaking ends its own item only, which FinishJob releases: the others of a batch go on.
    """
    assert {(name, catch["Next"], *catch["ErrorEquals"]) for name, catch in CATCHES} == {
        ("StartPrediction", "PollPrediction", "States.Timeout"), ("StartPrediction", "FinishItem", "States.ALL"),
        ("PollPrediction", "FinishItem", "States.ALL"), ("Items", "FinishJob", "States.ALL"),
        ("FinishItem", "Done", "States.ALL"),
    }  # fmt: skip
    assert [state["Next"] for state in (INNER["StartPrediction"], INNER["PollPrediction"], ITEMS)] == [
        "FinishItem", "FinishItem", "FinishJob",
    ]  # fmt: skip
    assert INNER["FinishItem"]["Next"] == "Again"
    assert {name for name, state in TASKS.items() if state.get("End")} == {"FinishJob"}


def test_a_start_waits_for_its_token_and_the_others_for_their_answer():
    """Whoever ends the run wakes it."""
    waiting = {name for name, state in TASKS.items() if state["Resource"].endswith(".waitForTaskToken")}
    assert waiting == {"StartPrediction"}
    assert "$states.context.Task.Token" in TASKS["StartPrediction"]["Arguments"]["Payload"]["token"]


def test_items_run_side_by_side_as_far_as_the_plan_goes():
    """The number came with the input."""
    assert ITEMS["Type"] == "Map"
    assert ITEMS["MaxConcurrency"] == "{% $states.input.concurrency %}"
    assert ITEMS["ItemProcessor"]["ProcessorConfig"] == {"Mode": "INLINE"}


def path(states, start):
    """The states that a run without errors goes through."""
    found, name = [], start
    while name:
        found.append(name)
        state = states[name]
        if state["Type"] == "Map":
            inner = state["ItemProcessor"]
            found += path(inner["States"], inner["StartAt"])
        name = state.get("Next") or state.get("Default")
    return found


def test_a_single_picture_costs_at_most_seven_transitions():
    """One into each state, and one to the end: the cloud counts money by them."""
    run = path(MACHINE["States"], MACHINE["StartAt"])
    assert run == ["Items", "StartPrediction", "FinishItem", "Again", "Done", "FinishJob"]
    assert len(run) + 1 <= 7
