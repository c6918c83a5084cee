"""Pages of jobs, and answers that a client may keep."""

from __future__ import annotations

import hashlib
import re
from typing import Any, get_args

from aws_lambda_powertools.event_handler import Response

from enhancer.api.http.request import Request
from enhancer.api.shapes.jobs import JobView
from enhancer.api.shapes.wire import Success
from enhancer.api.submit_forms import RETRY_SECONDS
from enhancer.domain import etags
from enhancer.domain.errors import InvalidFields
from enhancer.domain.jobs import Status

PAGE_MAX = 100
_JOB_ID = re.compile(r"job_[0-9a-z]{36}")
_ONE = f" *({'|'.join(get_args(Status))})? *"
STATUSES, CURSOR = f"^{_ONE}(,{_ONE})*$", f"^{_JOB_ID.pattern}$"
"""What a list of statuses and a cursor look like, for the API's description."""


def statuses_of(text: str | None) -> list[str]:
    """Return the statuses of a comma list; raise `InvalidFields` for one that does not exist."""
    wanted = [part.strip() for part in (text or "").split(",") if part.strip()]
    unknown = set(wanted) - set(get_args(Status))
    if unknown:
        raise InvalidFields(
            fields=[{"field": "status", "problem": "unknown", "allowed": list(get_args(Status))}]
        )
    return wanted


def job_after(cursor: str | None) -> str | None:
    """Return the job id a cursor stands for; raise `InvalidFields` for what we never gave out.

    It is of use to its owner only: every page is read from the caller's own partition.
    """
    if cursor is not None and not _JOB_ID.fullmatch(cursor):
        raise InvalidFields(fields=[{"field": "cursor", "problem": "invalid"}])
    return cursor


def current(view: JobView, request: Request, *, is_open: bool) -> Response[Any]:
    """Return the job with its ETag, or 304 when the client has it as it is."""
    etag = f'"{hashlib.sha256(view.model_dump_json().encode()).hexdigest()[:32]}"'
    headers = {"ETag": etag, "Cache-Control": "private, no-cache"}
    if is_open:
        headers["Retry-After"] = str(RETRY_SECONDS)
    if etags.matches(request.headers.get("if-none-match"), etag):
        return Response(304, None, None, dict(headers))
    return Response(200, "application/json", Success(data=view).model_dump_json(by_alias=True), dict(headers))
