"""One JSON log line per event, with request and job id; never a token, prompt, e-mail or image."""

from __future__ import annotations

from aws_lambda_powertools import Logger

logger = Logger(service="enhancer", utc=True, log_uncaught_exceptions=False)
