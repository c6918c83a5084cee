"""What is deployed for money: who reads Stripe's key, queues for people, the daily reset."""

import pytest

from tests.support import template

TEMPLATE = template.load()
FUNCTIONS = template.functions(TEMPLATE)


def test_only_who_deals_with_stripe_reads_its_key():
    """Whoever runs models or shows pictures cannot move money; the health check asks whether the key is good."""
    readers = {
        name
        for name in FUNCTIONS
        for one in template.statements(TEMPLATE, name)
        if "StripeSecret" in str(one["Resource"])
    }
    assert readers == {"Account", "Billing", "CostReport", "Health", "QuotaReset", "StripeWebhook"}


@pytest.mark.parametrize("name", template.resources(TEMPLATE, "AWS::SQS::Queue"))
def test_what_waits_for_people_waits_two_weeks_encrypted_and_outlives_the_stack(name):
    """As long as a queue can."""
    found = TEMPLATE["Resources"][name]
    assert found["Properties"] == {"MessageRetentionPeriod": 14 * 86_400, "SqsManagedSseEnabled": True}
    assert (found["DeletionPolicy"], found["UpdateReplacePolicy"]) == ("RetainExceptOnCreate", "Retain")


def test_the_closing_runs_daily_and_a_failed_one_is_kept():
    """Five minutes into the day, UTC; what could not be started or failed three times waits in a queue."""
    (event,) = FUNCTIONS["QuotaReset"]["Events"].values()
    dead = {"Fn::GetAtt": ["ScheduleDeadLetters", "Arn"]}
    assert event["Properties"] == {
        "ScheduleExpression": "cron(5 0 * * ? *)",
        "ScheduleExpressionTimezone": "UTC",
        "OmitName": True,
        "DeadLetterConfig": {"Arn": dead},
    }
    assert FUNCTIONS["QuotaReset"]["DeadLetterQueue"] == {"Type": "SQS", "TargetArn": dead}
    assert FUNCTIONS["QuotaReset"]["Timeout"] == 900


def test_the_report_follows_the_closing_daily_and_monthly_and_a_failed_one_is_kept():
    """Half past midnight, UTC, when the day before is closed; on the first of a month once more for the month."""
    dead = {"Fn::GetAtt": ["ScheduleDeadLetters", "Arn"]}
    events = {name: one["Properties"] for name, one in FUNCTIONS["CostReport"]["Events"].items()}
    same = {"ScheduleExpressionTimezone": "UTC", "OmitName": True, "DeadLetterConfig": {"Arn": dead}}
    assert events == {
        "EveryDay": {"ScheduleExpression": "cron(30 0 * * ? *)", **same},
        "EveryMonth": {"ScheduleExpression": "cron(45 0 1 * ? *)", "Input": '{"due": "month"}', **same},
    }
    assert FUNCTIONS["CostReport"]["DeadLetterQueue"] == {"Type": "SQS", "TargetArn": dead}
    assert FUNCTIONS["CostReport"]["Timeout"] == 900


def test_cost_reports_are_kept_and_the_lists_of_closings_are_not():
    """A report is a few kilobytes, and next year somebody compares."""
    rules = TEMPLATE["Resources"]["Bucket"]["Properties"]["LifecycleConfiguration"]["Rules"]
    prefixes = [one["Prefix"] for one in rules if "ExpirationInDays" in one]
    assert "ai-enhancer/reports/closing/" in prefixes
    assert not [one for one in prefixes if "ai-enhancer/reports/day/".startswith(one)]


def test_a_day_without_a_report_is_an_alarm():
    """Nobody misses a mail that does not come."""
    found = TEMPLATE["Resources"]["ReportMissing"]["Properties"]
    assert (found["MetricName"], found["Period"], found["Threshold"]) == ("CostReportsMade", 86_400, 1)
    assert (found["ComparisonOperator"], found["TreatMissingData"]) == ("LessThanThreshold", "breaching")
