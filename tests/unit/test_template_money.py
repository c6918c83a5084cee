"""What is deployed for money: who reads Stripe's key, queues for people, the daily reset, alarms."""

import pytest

from tests.support import template

TEMPLATE = template.load()
FUNCTIONS = template.functions(TEMPLATE)


def test_only_who_deals_with_stripe_reads_its_key():
    """Whoever runs models or shows pictures cannot move money."""
    readers = {
        name
        for name in FUNCTIONS
        for one in template.statements(TEMPLATE, name)
        if "StripeSecret" in str(one["Resource"])
    }
    assert readers == {"Account", "Billing", "QuotaReset", "StripeWebhook"}


@pytest.mark.parametrize("name", template.resources(TEMPLATE, "AWS::SQS::Queue"))
def test_what_waits_for_people_waits_two_weeks_encrypted_and_outlives_the_stack(name):
    """As long as a queue can."""
    found = TEMPLATE["Resources"][name]
    assert found["Properties"] == {"MessageRetentionPeriod": 14 * 86_400, "SqsManagedSseEnabled": True}
    assert (found["DeletionPolicy"], found["UpdateReplacePolicy"]) == ("Retain", "Retain")


def test_the_closing_runs_daily_and_a_failed_one_is_kept():
    """Five minutes into the day, UTC; what could not be started or failed three times waits in a queue."""
    (event,) = FUNCTIONS["QuotaReset"]["Events"].values()
    dead = {"Fn::GetAtt": ["ScheduleDeadLetters", "Arn"]}
    assert event["Properties"] == {
        "ScheduleExpression": "cron(5 0 * * ? *)",
        "ScheduleExpressionTimezone": "UTC",
        "DeadLetterConfig": {"Arn": dead},
    }
    assert FUNCTIONS["QuotaReset"]["DeadLetterQueue"] == {"Type": "SQS", "TargetArn": dead}
    assert FUNCTIONS["QuotaReset"]["Timeout"] == 900


ALARMS = template.resources(TEMPLATE, "AWS::CloudWatch::Alarm")
COUNTED = ("BillingParked", "ClosingBroken", "LedgerDifference", "PaidNotGranted", "StripeWebhook5xx")


@pytest.mark.parametrize("name", ALARMS)
def test_every_alarm_is_raised_by_one_and_heard_by_the_operator(name):
    """More than nothing is enough; silence is none."""
    found = ALARMS[name]["Properties"]
    assert (found["Threshold"], found["ComparisonOperator"]) == (0, "GreaterThanThreshold")
    assert (found["TreatMissingData"], found["AlarmActions"]) == ("notBreaching", [{"Ref": "Alarms"}])
    assert found["AlarmDescription"]


def test_an_alarm_hears_everything_about_money_that_only_people_can_put_right():
    """The names that are counted, and both queues."""
    metrics = [found["Properties"]["MetricName"] for found in ALARMS.values()]
    ours = sorted(f["Properties"]["MetricName"] for f in ALARMS.values()
                  if f["Properties"]["Namespace"] == "ImageEnhancer")  # fmt: skip
    assert tuple(ours) == COUNTED
    assert metrics.count("ApproximateNumberOfMessagesVisible") == 2
    assert metrics.count("Errors") == 1


def test_no_two_alarms_look_at_the_same_thing():
    """The alarms take their common part from the first one: none forgets to say what it looks at, or what it means."""
    looked_at = [
        (
            found["Properties"]["Namespace"],
            found["Properties"]["MetricName"],
            str(found["Properties"].get("Dimensions")),
        )
        for found in ALARMS.values()
    ]
    assert len(set(looked_at)) == len(looked_at)
    assert len({found["Properties"]["AlarmDescription"] for found in ALARMS.values()}) == len(ALARMS)
