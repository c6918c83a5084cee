"""What a list is asked by, and answers that a client may keep."""

import pytest

from enhancer.api.job_pages import job_after, statuses_of
from enhancer.domain.errors import InvalidFields

STATUSES = ["queued", "processing", "succeeded", "failed", "canceled"]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (None, []), ("", []), (" , ", []), ("failed", ["failed"]), ("failed,canceled", ["failed", "canceled"]),
        (" failed , canceled ", ["failed", "canceled"]), (",".join(STATUSES), STATUSES),
    ],
)  # fmt: skip
def test_a_list_of_statuses_is_read_and_none_means_all(text, wanted):
    """Blanks around commas do not count."""
    assert statuses_of(text) == wanted


@pytest.mark.parametrize(
    "text", ["FOO", "failed,FOO", "Failed", "done", "failed;canceled", "*", "succeeded\n,x"]
)
def test_an_unknown_status_is_refused_with_those_there_are(text):
    """Never an empty page instead of an error, and the value is not repeated."""
    with pytest.raises(InvalidFields) as refused:
        statuses_of(text)
    assert refused.value.details["fields"] == [{"field": "status", "problem": "unknown", "allowed": STATUSES}]


def test_a_cursor_is_a_job_id():
    """As it was given out; none starts at the newest."""
    given = "job_" + "0a" * 18
    assert job_after(given) == given
    assert job_after(None) is None


@pytest.mark.parametrize(
    "cursor",
    [
        "",
        "job_",
        "x",
        "job_" + "0" * 35,
        "job_" + "0" * 37,
        "JOB#x",
        "job_" + "A" * 36,
        "job_" + "0" * 36 + "\n",
        "0",
    ],
)
def test_a_cursor_we_never_gave_out_is_refused(cursor):
    """It never reaches the table."""
    with pytest.raises(InvalidFields) as refused:
        job_after(cursor)
    assert refused.value.details["fields"] == [{"field": "cursor", "problem": "invalid"}]
