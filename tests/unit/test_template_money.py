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
    assert readers == {"Account", "Billing", "Health", "QuotaReset", "StripeWebhook"}


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
