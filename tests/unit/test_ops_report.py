"""`make report`: asks the function, prints where the report is and its main figures."""

import io
import json

import pytest

from ops import report
from ops.stack import StackError

FIGURES = {
    "headline": {
        "earnedMicros": 12_340_000, "providerMicros": 1_000_000, "awsMicros": 20_000, "feesMicros": 590_000,
        "marginMicros": 10_730_000, "runs": 42, "failed": 3,
    },
    "missing": {"ledger": ["2026-11-25", "2026-11-26", "2026-11-27", "2026-11-28"], "stripe": ["2026-11-28"]},
}  # fmt: skip


class FakeStack:
    """A stack whose function made a report."""

    url, is_local = "https://app.example", True

    def __init__(self, answer):
        self.answer, self.asked = answer, []

    def client(self, service, **more):
        return self

    def output(self, name):
        return {"BucketName": "bucket", "CostReportFunctionName": "report"}[name]

    def invoke(self, **asked):
        self.asked.append(json.loads(asked["Payload"]))
        return {"Payload": io.BytesIO(json.dumps(self.answer).encode())} | (
            {"FunctionError": "Unhandled"} if "errorType" in self.answer else {}
        )

    def get_object(self, **asked):
        assert asked == {"Bucket": "bucket", "Key": "ai-enhancer/reports/day/2026-11-28.json"}
        return {"Body": io.BytesIO(json.dumps(FIGURES).encode())}


def run(stack, **environ):
    return report.main(environ, stack_named=lambda env: stack)


@pytest.mark.parametrize("incomplete", [[], ["day-2026-11-28"]])
def test_the_main_figures_and_the_place_are_printed(capsys, incomplete):
    """And what is missing, where something is."""
    stack = FakeStack({"made": ["day-2026-11-28"], "incomplete": incomplete})
    assert run(stack, DATE="2026-11-28") == 0
    shown = capsys.readouterr().out
    assert stack.asked == [{"date": "2026-11-28"}]
    wanted = ("$12.34", "$10.73", "42", "failed 3", "/api/admin/reports/day-2026-11-28.html")
    assert [text for text in wanted if text not in shown] == []
    lacks = "(incomplete: ledger of 2026-11-25 to 2026-11-28; stripe of 2026-11-28)"
    assert (lacks in shown, "docs/operations.md" in shown) == (bool(incomplete),) * 2


def test_what_was_made_again_by_the_way_is_told_as_such(capsys):
    """Whoever asks for yesterday's is not told of other days without a word."""
    again = "Made again, because they were incomplete:"
    for made in (["day-2026-11-28"], ["day-2026-11-28", "day-2026-11-28"]):
        assert run(FakeStack({"made": made, "incomplete": []})) == 0
        assert (again in capsys.readouterr().out.splitlines()) is (len(made) > 1)


def test_what_the_function_refuses_is_said_in_its_words(capsys):
    """With exit code 1."""
    stack = FakeStack({"errorType": "ValueError", "errorMessage": "date must be a day such as 2026-11-28"})
    assert run(stack, DATE="soon") == 1
    assert capsys.readouterr().err == "date must be a day such as 2026-11-28. No report was made.\n"


def test_a_stack_that_is_not_there_and_two_periods_are_refused(capsys):
    """Before anything is asked."""

    def none(env):
        raise StackError("Start it with `make run`.")

    assert report.main({"ENV": "local"}, stack_named=none) == 1
    stack = FakeStack({})
    assert run(stack, DATE="2026-11-28", MONTH="2026-11") == 1
    assert stack.asked == []
    assert "not both" in capsys.readouterr().err
