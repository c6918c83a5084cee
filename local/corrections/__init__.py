"""Corrections of the AWS emulator ministack, each restoring one behaviour of AWS.

They change *private* parts of one ministack release, so the version is checked and each correction raises
`CorrectionError` if the part it changes has moved. Each has a test in tests/e2e/local, so it can be deleted when
ministack behaves like AWS.

``alarms``          CloudWatch: alarms that go off and end, also on several metrics (``metric_math``)
``bucket_access``   S3: CORS rules and signatures
``copies``          Lambda: further environments of a function are copies of its first one
``functions``       Lambda: interpreter, layers, environment, errors, logs
``http_events``     HTTP API: events of functions, errors, OPTIONS, CORS
``http_routes``     HTTP API: routes, tags and CORS from an OpenAPI ``Body``
``metrics``         CloudWatch: metrics out of log lines and of AWS's own services
``release``         the release of ministack that all of this fits
``step_functions``  Step Functions: task tokens, time-outs
``transform``       CloudFormation: parameters in SAM's transform
"""

from __future__ import annotations

from local.corrections.alarms import Alarms, correct_alarm_records
from local.corrections.bucket_access import correct_bucket_access
from local.corrections.copies import correct_starts
from local.corrections.functions import (
    correct_exceptions,
    correct_import_errors,
    correct_import_order,
    correct_interpreter,
    correct_layers,
    correct_log_end,
    correct_response_size,
)
from local.corrections.http_events import (
    correct_cors,
    correct_function_errors,
    correct_http_events,
    correct_options,
)
from local.corrections.http_routes import correct_http_api
from local.corrections.metrics import (
    correct_call_metrics,
    correct_log_metrics,
    correct_metrics,
    correct_service_metrics,
)
from local.corrections.release import Module, check_version
from local.corrections.step_functions import (
    correct_callback_errors,
    correct_execution_timeout,
    correct_token_policies,
)
from local.corrections.transform import correct_transform_parameters


def correct_all() -> tuple[Module, Module, Alarms]:
    """Apply every correction; return ministack's main module, its Lambda module, and who looks at alarms."""
    check_version()
    # Imported here because the emulator reads its settings while being imported.
    from ministack import app
    from ministack.core import iam_actions as actions
    from ministack.core import lambda_runtime as runtime
    from ministack.services import apigateway as gateway
    from ministack.services import cloudwatch, s3, sqs
    from ministack.services import cloudwatch_logs as logs
    from ministack.services import lambda_svc as service
    from ministack.services import stepfunctions as machines
    from ministack.services.cloudformation import changesets, engine, handlers, provisioners
    from samtranslator.translator import transform as sam

    correct_interpreter(runtime)
    correct_layers(runtime, service)
    correct_import_order(runtime)
    correct_exceptions(runtime, service)
    correct_import_errors(runtime)
    correct_starts(runtime, service)
    correct_response_size(service)
    correct_log_end(runtime)
    correct_http_events(service)
    correct_function_errors(service)
    correct_options(gateway)
    correct_cors(gateway)
    correct_http_api(provisioners)
    correct_alarm_records(provisioners)
    metrics = correct_metrics(cloudwatch)
    correct_log_metrics(service, logs, metrics)
    correct_call_metrics(service)
    correct_service_metrics(gateway, machines, metrics)
    correct_bucket_access(app, s3)
    correct_execution_timeout(machines)
    correct_callback_errors(machines)
    correct_token_policies(actions, machines)
    correct_transform_parameters(sam, engine, changesets, handlers)
    return app, service, Alarms(metrics, sqs)
