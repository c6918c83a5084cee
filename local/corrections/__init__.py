"""Every correction of the AWS emulator, each restoring one behaviour of AWS.

They change *private* parts of one ministack release, so the version is checked and each correction fails
loudly when the part it changes has moved. Each has a test in tests/e2e/local, so it can go when the emulator
catches up.
"""

from __future__ import annotations

from local.corrections.base import Module, check_version
from local.corrections.buckets import correct_bucket_access
from local.corrections.functions import (
    correct_exceptions,
    correct_import_errors,
    correct_import_order,
    correct_interpreter,
    correct_layers,
    correct_log_wait,
    correct_response_size,
)
from local.corrections.http_api import correct_function_errors, correct_http_events, correct_options
from local.corrections.machines import correct_execution_timeout
from local.corrections.openapi import correct_http_api


def correct_all() -> tuple[Module, Module]:
    """Apply every correction; returns the emulator's main and Lambda modules."""
    check_version()
    # Imported here because the emulator reads its settings while being imported.
    from ministack import app
    from ministack.core import lambda_runtime as runtime
    from ministack.services import apigateway as gateway
    from ministack.services import lambda_svc as service
    from ministack.services import s3
    from ministack.services import stepfunctions as machines
    from ministack.services.cloudformation import provisioners

    correct_interpreter(runtime)
    correct_layers(runtime, service)
    correct_import_order(runtime)
    correct_exceptions(runtime, service)
    correct_import_errors(runtime)
    correct_response_size(service)
    correct_log_wait(runtime)
    correct_http_events(service)
    correct_function_errors(service)
    correct_options(gateway)
    correct_http_api(provisioners)
    correct_bucket_access(app, s3)
    correct_execution_timeout(machines)
    return app, service
