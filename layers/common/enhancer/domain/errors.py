"""Everything that can go wrong for a caller, as one tree.

::

    EnhancerError
    ├── InvalidRequest          400 validation_error
    │   ├── InvalidFields, InvalidMultipart, InvalidIdempotencyKey
    │   ├── ImageMissing, TooManyImages, ImageEmpty, ImageUnreadable, ImageAnimated
    │   ├── UnknownModel, ScaleNotSupported, OptionNotSupported, PromptRequired
    │   ├── ImageUrlRefused, ImageUrlUnreachable
    │   ├── UploadNotFound, OutputTooLarge, NeedsJob, TooMuchWork
    │   ├── PromptRefused, ProviderRejected, WebhookInvalid
    │   ├── ReturnToInvalid, ApiKeyInUrl
    │   └── PackNotConfigured, PlanNotConfigured
    ├── Unauthenticated         401 auth_error
    │   └── NotSignedIn, SignInFailed, InvalidApiKey
    ├── InsufficientCredits     402 insufficient_credits
    ├── Forbidden               403 forbidden
    │   └── OriginNotAllowed, CsrfTokenInvalid, PlanRequired, ProviderDisabled, ProviderForbidden,
    │       NotTheOwner, ScopeMissing, AdminOnly, OwnerBlocked, NotInCohort
    ├── NotFound                404 not_found
    ├── MethodNotAllowed        405 method_not_allowed
    ├── Conflict                409 conflict
    │   ├── JobOpen, JobFinished, NothingToRetry, JobCanceled, JobDeleted
    │   ├── IdentityTaken, TooManyKeys, CreditsTooFew
    │   ├── SubscriptionExists, NoSubscription, NothingBought, CheckoutUnderWay
    │   └── FlagsChanged
    ├── TooLarge                413 payload_too_large
    │   └── FileTooLarge, TooManyPixels
    ├── Unsupported             415 unsupported_media_type
    │   └── ImageFormatUnsupported, ContentTypeUnsupported
    ├── IdempotencyMismatch     422 idempotency_mismatch
    ├── LimitReached            429 rate_limit
    │   └── RateLimited, DailyQuotaExceeded, NetworkQuotaExceeded, KeyCapReached, TooManyJobs
    ├── InternalError           500 server_error
    ├── SignInUnavailable       503 provider_error
    ├── RunsPaused              503 provider_error
    ├── StripeError             503 provider_error
    │   └── StripeNotConfigured, StripeUnavailable
    └── ProviderError           502/503/504 provider_error
        ├── ProviderUnavailable, ProviderThrottled, ProviderExhausted, ProviderTimeout
        └── ProviderFailed, ProviderOutputInvalid, JobExpired

Only leaves are raised. A leaf's ``code`` never changes; its class name doubles as ``ErrorEquals`` in the
state machine. Keyword arguments become ``details`` in the answer and fill the message's placeholders, so
they name the field and the limit and never carry anything private. A leaf's docstring lists its details.
"""

from __future__ import annotations

from typing import Any, ClassVar


class EnhancerError(Exception):
    """Root of the tree.

    ``type``: the kind of error, from which the HTTP status follows; ``code``: this very error. ``details``: shown to
    the caller. ``cost``: what the failed prediction cost us, in USD micros; never shown.
    """

    type: ClassVar[str]
    code: ClassVar[str]

    def __init__(self, *, cost: int = 0, **details: Any) -> None:
        super().__init__(self.code if hasattr(self, "code") else type(self).__name__)
        self.cost = cost
        self.details = details


class InvalidRequest(EnhancerError):
    """The request is wrong; sending it again unchanged fails again."""

    type = "validation_error"


class InvalidFields(InvalidRequest):
    """Fields of the request failed validation: ``fields`` = ``[{"field", "problem"}]``, ``more`` that are not named."""

    code = "invalid_fields"


class InvalidMultipart(InvalidRequest):
    """The body is not well-formed multipart/form-data."""

    code = "invalid_multipart"


class InvalidIdempotencyKey(InvalidRequest):
    """``Idempotency-Key`` must be 1 to ``limit`` visible ASCII characters."""

    code = "invalid_idempotency_key"


class ImageMissing(InvalidRequest):
    """Neither a file part ``image`` nor ``uploadKey`` was sent: ``found``, the name of a file that was."""

    code = "image_missing"


class TooManyImages(InvalidRequest):
    """More images than the call takes: ``count``, ``limit``."""

    code = "too_many_images"


class ImageEmpty(InvalidRequest):
    """The image has 0 bytes."""

    code = "image_empty"


class ImageUnreadable(InvalidRequest):
    """The image claims an accepted format but cannot be read: ``format``, ``reason``.

    ``reason``: damaged, incomplete (pixels are missing), parts (too many), bits (12 per channel), kind (a rare one).
    """

    code = "image_unreadable"


class ImageAnimated(InvalidRequest):
    """The image is animated: it has several ``frames``."""

    code = "image_animated"


class ImageUrlRefused(InvalidRequest):
    """We do not fetch this URL: ``field``, ``reason`` (scheme, port, credentials, address, redirects, malformed)."""

    code = "image_url_refused"


class ImageUrlUnreachable(InvalidRequest):
    """The URL gave no image: ``field``, ``reason`` (dns, connection, tls, timeout, status), ``status`` (HTTP)."""

    code = "image_url_unreachable"


class UnknownModel(InvalidRequest):
    """There is no model with this name: ``model``."""

    code = "unknown_model"


class ScaleNotSupported(InvalidRequest):
    """The model does not offer this scale: ``scale``, ``allowed``."""

    code = "scale_not_supported"


class OptionNotSupported(InvalidRequest):
    """The model has no such option: ``option``, ``model``."""

    code = "option_not_supported"


class PromptRequired(InvalidRequest):
    """The model edits by prompt, and none was sent: ``model``."""

    code = "prompt_required"


class PackNotConfigured(InvalidRequest):
    """No pack of so many credits is sold: ``pack``, ``allowed``."""

    code = "pack_not_configured"


class PlanNotConfigured(InvalidRequest):
    """The plan is not sold with this interval: ``plan``, ``interval``, ``allowed`` (plans)."""

    code = "plan_not_configured"


class UploadNotFound(InvalidRequest):
    """``uploadKey`` names no finished upload of this caller."""

    code = "upload_not_found"


class OutputTooLarge(InvalidRequest):
    """The result would be larger than its format can store or we make: ``width``, ``height``, ``limit`` (pixels)."""

    code = "output_too_large"


class NeedsJob(InvalidRequest):
    """The picture is too large to be done within one request; make a job: ``megapixels``, ``limit``."""

    code = "needs_job"


class TooMuchWork(InvalidRequest):
    """The picture is too large to be done even in a job: ``megapixels``, ``limit``, ``quality``, ``scale``."""

    code = "too_much_work"


class PromptRefused(InvalidRequest):
    """The provider's content filter refused the prompt or the picture: ``model``."""

    code = "prompt_refused"


class ProviderRejected(InvalidRequest):
    """The provider refused the picture or a parameter as invalid: ``provider``, ``model``."""

    code = "provider_rejected"


class WebhookInvalid(InvalidRequest):
    """A webhook request has no valid signature, is too old or too new, or is malformed."""

    code = "webhook_invalid"


class ReturnToInvalid(InvalidRequest):
    """The address to open after signing in is not a path of our own page: ``field``."""

    code = "return_to_invalid"


class ApiKeyInUrl(InvalidRequest):
    """An API key was sent in the URL, where logs may keep it: revoke it, and send its successor in a header."""

    code = "api_key_in_url"


class Unauthenticated(EnhancerError):
    """It is not known, or no longer, who is calling."""

    type = "auth_error"


class NotSignedIn(Unauthenticated):
    """The call needs a signed-in user or an API key."""

    code = "sign_in_required"


class SignInFailed(Unauthenticated):
    """Signing in with Google or GitHub failed: ``reason`` (denied, state, code, token, email_unverified, provider)."""

    code = "sign_in_failed"


class InvalidApiKey(Unauthenticated):
    """The API key is malformed, unknown or revoked; the answer does not say which."""

    code = "invalid_api_key"


class InsufficientCredits(EnhancerError):
    """Plan quota and bought credits do not cover the price: ``required``, ``available`` (credits)."""

    type = "insufficient_credits"
    code = "INSUFFICIENT_CREDITS"


class Forbidden(EnhancerError):
    """The caller may not do this."""

    type = "forbidden"


class OriginNotAllowed(Forbidden):
    """A request that changes something came with a cookie, but ``Origin`` (else ``Referer``) is missing or foreign."""

    code = "origin_not_allowed"


class CsrfTokenInvalid(Forbidden):
    """Header ``X-CSRF-Token`` and cookie ``csrf_token`` are missing or differ."""

    code = "csrf_token_invalid"


class PlanRequired(Forbidden):
    """The plan does not include it: ``feature``, ``plan``, ``requiredPlan`` (the smallest plan that does)."""

    code = "plan_required"


class ProviderDisabled(Forbidden):
    """The model or its provider is switched off: ``provider``, ``model``."""

    code = "provider_disabled"


class ProviderForbidden(Forbidden):
    """The provider refuses our token, or it lacks a permission: ``provider``. Trying again does not help."""

    code = "provider_forbidden"


class NotTheOwner(Forbidden):
    """The file belongs to somebody else."""

    code = "not_the_owner"


class ScopeMissing(Forbidden):
    """The API key lacks a ``scope``; "session" means that only a signed-in browser may do this."""

    code = "scope_missing"


class AdminOnly(Forbidden):
    """The call is for administrators."""

    code = "admin_only"


class OwnerBlocked(Forbidden):
    """The account was blocked by an administrator."""

    code = "owner_blocked"


class NotInCohort(Forbidden):
    """The product is not open to this caller yet: ``phase``, ``cohort``, ``needs``, ``upgradeUrl`` (path of the plans).

    ``needs``: sign_in, paid_plan or invitation.
    """

    code = "not_in_cohort"


class NotFound(EnhancerError):
    """It does not exist, or is not the caller's; the answer does not say which."""

    type = "not_found"
    code = "not_found"


class MethodNotAllowed(EnhancerError):
    """The path exists, but not with this HTTP method: ``allow``."""

    type = "method_not_allowed"
    code = "method_not_allowed"


class Conflict(EnhancerError):
    """The present state of what the request is about does not allow it."""

    type = "conflict"


class JobOpen(Conflict):
    """The job is still running; cancel it first: ``jobId``."""

    code = "job_open"


class JobFinished(Conflict):
    """The job has ended and can no longer be canceled: ``jobId``, ``status``."""

    code = "job_finished"


class NothingToRetry(Conflict):
    """The job is still open, or none of its items failed: ``jobId``, ``status``."""

    code = "nothing_to_retry"


class JobCanceled(Conflict):
    """The job was canceled: the image was not enhanced, or its result was dropped."""

    code = "job_canceled"


class JobDeleted(Conflict):
    """The idempotency key stands for a job that its owner has deleted: ``header``, ``jobId``."""

    code = "job_deleted"


class IdentityTaken(Conflict):
    """The Google or GitHub account already signs in another user: ``provider``."""

    code = "identity_taken"


class TooManyKeys(Conflict):
    """The account has as many API keys as it may: ``limit``."""

    code = "too_many_keys"


class SubscriptionExists(Conflict):
    """There is a subscription already; change it in Stripe's portal: ``plan``, ``portal`` (path that opens it)."""

    code = "subscription_exists"


class NoSubscription(Conflict):
    """There is no subscription to cancel."""

    code = "no_subscription"


class NothingBought(Conflict):
    """The user never bought anything, so there is no customer portal to open."""

    code = "nothing_bought"


class CheckoutUnderWay(Conflict):
    """Another request with the same idempotency key is opening the checkout right now."""

    code = "checkout_under_way"


class CreditsTooFew(Conflict):
    """An administrator tried to take more credits than the owner has: ``available`` (credits)."""

    code = "credits_too_few"


class FlagsChanged(Conflict):
    """Somebody else has changed the operator's flags: ``version`` (the one in force), ``expected``."""

    code = "flags_changed"


class TooLarge(EnhancerError):
    """The image or the request body is larger than what is accepted."""

    type = "payload_too_large"


class FileTooLarge(TooLarge):
    """The file has too many bytes: ``size``, ``limit`` (bytes)."""

    code = "file_too_large"


class TooManyPixels(TooLarge):
    """The image has too many pixels: ``megapixels``, ``limit``."""

    code = "too_many_pixels"


class Unsupported(EnhancerError):
    """The media type is not accepted."""

    type = "unsupported_media_type"


class ImageFormatUnsupported(Unsupported):
    """The content is none of the accepted image formats: ``allowed``, ``found`` (name of the one it is, if known)."""

    code = "image_format_unsupported"


class ContentTypeUnsupported(Unsupported):
    """The request body has the wrong content type: ``expected``."""

    code = "content_type_unsupported"


class IdempotencyMismatch(EnhancerError):
    """The idempotency key was used before with another body."""

    type = "idempotency_mismatch"
    code = "idempotency_mismatch"


class LimitReached(EnhancerError):
    """A limit is reached; ``retry_after_seconds``: how long to wait, sent as the header ``Retry-After``."""

    type = "rate_limit"

    def __init__(self, *, retry_after_seconds: int, **details: Any) -> None:
        super().__init__(**details)
        self.retry_after_seconds = retry_after_seconds


class RateLimited(LimitReached):
    """Too many calls in a short time: ``scope``, ``limit``, ``windowSeconds``."""

    code = "rate_limited"


class DailyQuotaExceeded(LimitReached):
    """The plan's images of today (UTC) are used up: ``scope``, ``used``, ``limit``, ``resetAt`` (epoch ms)."""

    code = "daily_quota_exceeded"


class NetworkQuotaExceeded(LimitReached):
    """Today's (UTC) images of all guests of this network are used up: ``scope``, ``used``, ``limit``, ``resetAt``."""

    code = "network_quota_exceeded"


class KeyCapReached(LimitReached):
    """The API key's own limit of credits a month is reached: ``scope``, ``used``, ``limit``, ``resetAt`` (epoch ms)."""

    code = "key_cap_reached"


class TooManyJobs(LimitReached):
    """As many jobs are running as the plan allows at once: ``scope``, ``limit``."""

    code = "too_many_jobs"


class InternalError(EnhancerError):
    """A fault of ours. The answer never shows its cause."""

    type = "server_error"
    code = "internal_error"


class RunsPaused(EnhancerError):
    """The operator lets nothing new run for now; ``retry_after_seconds`` is sent as the header ``Retry-After``."""

    type = "provider_error"
    code = "runs_paused"

    def __init__(self, *, retry_after_seconds: int, **details: Any) -> None:
        super().__init__(**details)
        self.retry_after_seconds = retry_after_seconds


class SignInUnavailable(EnhancerError):
    """Google or GitHub does not answer, or sign-in with it is not set up: ``provider``."""

    type = "provider_error"
    code = "sign_in_unavailable"


class StripeError(EnhancerError):
    """Stripe could not do what was asked. Nothing was bought and nothing was changed."""

    type = "provider_error"


class StripeNotConfigured(StripeError):
    """This deployment has no secret key of Stripe."""

    code = "stripe_not_configured"


class StripeUnavailable(StripeError):
    """Stripe does not answer, or refuses.

    ``answered``: it refused, and repeats that answer for 24 hours under the same idempotency key, so the next try needs
    another one (https://docs.stripe.com/api/idempotent_requests).
    """

    code = "stripe_unavailable"

    def __init__(self, *, answered: bool = False, **details: Any) -> None:
        super().__init__(**details)
        self.answered = answered


class ProviderError(EnhancerError):
    """The provider returned no usable result.

    ``retry_after``: seconds that it asked us to wait, None if it did not. ``made``: the prediction succeeded and only
    fetching its result failed; a new prediction would cost us a second time.
    """

    type = "provider_error"

    def __init__(self, *, retry_after: float | None = None, made: bool = False, **details: Any) -> None:
        super().__init__(**details)
        self.retry_after = retry_after
        self.made = made


class ProviderUnavailable(ProviderError):
    """The provider is down or the connection broke; another try may succeed."""

    code = "provider_unavailable"


class ProviderThrottled(ProviderError):
    """The provider refuses for now because of too many requests."""

    code = "provider_throttled"


class ProviderExhausted(ProviderError):
    """Today's (UTC) allowance at the provider, or our own cap on its cost, is used up: ``provider``."""

    code = "provider_exhausted"


class ProviderTimeout(ProviderError):
    """The provider did not finish in time: ``seconds``."""

    code = "provider_timeout"


class ProviderFailed(ProviderError):
    """The prediction failed, and would fail again."""

    code = "provider_failed"


class ProviderOutputInvalid(ProviderError):
    """The provider finished without a usable image."""

    code = "provider_output_invalid"


class JobExpired(ProviderError):
    """The job did not finish before its deadline; what it had held was given back."""

    code = "job_expired"


def leaves(root: type[EnhancerError] = EnhancerError) -> list[type[EnhancerError]]:
    """Return every error class that can be raised: those below ``root`` without subclasses."""
    children = root.__subclasses__()
    return [leaf for child in children for leaf in leaves(child)] if children else [root]


def leaf_named(class_name: str) -> type[EnhancerError] | None:
    """Return the leaf with this class name, as the state machine and Lambda report errors; None where there is none."""
    return next((leaf for leaf in leaves() if leaf.__name__ == class_name), None)
