"""Sums of metrics: what CloudWatch is asked for, and that silence is not zero."""

from datetime import UTC, datetime

from enhancer.adapters.aws.counts import Counts


class FakeCloudWatch:
    """Has some sums, on two pages."""

    def __init__(self, pages):
        self.pages, self.asked = pages, []

    def get_paginator(self, name):
        assert name == "get_metric_data"
        return self

    def paginate(self, **asked):
        self.asked.append(asked)
        return self.pages


def test_a_day_is_asked_for_in_one_call_and_what_has_no_data_is_unknown():
    """Nothing, an empty answer and zero are three different things; pages and values add up."""
    client = FakeCloudWatch(
        [
            {"MetricDataResults": [{"Id": "m0", "Values": [3.0]}, {"Id": "m1", "Values": []}]},
            {"MetricDataResults": [{"Id": "m0", "Values": [4.0]}, {"Id": "m3", "Values": [0.0]}]},
        ]
    )
    wanted = {
        "all": ("Requests", {}), "failed": ("JobsEnded", {"outcome": "failed"}), "gone": ("Gone", {}),
        "none": ("Refusals", {"status": "402"}),
    }  # fmt: skip
    found = Counts(client, "stack").of_day("2028-02-29", wanted)
    assert found == {"all": 7, "failed": None, "gone": None, "none": 0}
    (asked,) = client.asked
    assert (asked["StartTime"], asked["EndTime"]) == (
        datetime(2028, 2, 29, tzinfo=UTC),
        datetime(2028, 3, 1, tzinfo=UTC),
    )
    assert asked["MetricDataQueries"][1]["MetricStat"] == {
        "Metric": {
            "Namespace": "stack",
            "MetricName": "JobsEnded",
            "Dimensions": [{"Name": "outcome", "Value": "failed"}],
        },
        "Period": 86_400,
        "Stat": "Sum",
    }
