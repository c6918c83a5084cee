"""Everything that can go wrong, as one tree.

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
    │       NotTheOwner, ScopeMissing, AdminOnly, OwnerBlocked
    ├── NotFound                404 not_found
    ├── MethodNotAllowed        405 method_not_allowed
    ├── Conflict                409 conflict
    │   ├── JobOpen, JobFinished, NothingToRetry, JobCanceled, IdentityTaken, TooManyKeys, CreditsTooFew
    │   └── SubscriptionExists, NoSubscription, NothingBought, CheckoutUnderWay
    ├── TooLarge                413 payload_too_large
    │   └── FileTooLarge, TooManyPixels
    ├── Unsupported             415 unsupported_media_type
    │   └── ImageFormatUnsupported, ContentTypeUnsupported
    ├── IdempotencyMismatch     422 idempotency_mismatch
    ├── LimitReached            429 rate_limit
    │   └── RateLimited, DailyQuotaExceeded, NetworkQuotaExceeded, KeyCapReached, TooManyJobs
    ├── InternalError           500 server_error
    ├── SignInUnavailable       503 provider_error
    ├── CashierError            503 provider_error
    │   └── StripeNotConfigured, StripeUnavailable
    └── ProviderError           502/503/504 provider_error
        ├── ProviderUnavailable, ProviderThrottled, ProviderExhausted, ProviderTimeout
        └── ProviderFailed, ProviderOutputInvalid, JobExpired

Only leaves are raised. A leaf's ``code`` never changes; its class name doubles as ``ErrorEquals`` in the
state machine. Keyword arguments become ``details`` in the answer and fill the message's placeholders, so
they name the field and the limit and never carry anything private.
"""

from __future__ import annotations

from typing import Any, ClassVar


class EnhancerError(Exception):
    """Root of the tree. ``details`` are shown to the caller; ``cost`` (USD micros), what it cost us, never is."""

    type: ClassVar[str]
    code: ClassVar[str]

    def __init__(self, *, cost: int = 0, **details: Any) -> None:
        super().__init__(self.code if hasattr(self, "code") else type(self).__name__)
        self.cost = cost
        self.details = details


class InvalidRequest(EnhancerError):
    """The request itself is wrong; sending it again unchanged cannot help."""

    type = "validation_error"


class InvalidFields(InvalidRequest):
    """Fields failed validation: ``fields`` = ``[{"field", "problem"}]``."""

    code = "invalid_fields"


class InvalidMultipart(InvalidRequest):
    """The body is not well-formed multipart/form-data."""

    code = "invalid_multipart"


class InvalidIdempotencyKey(InvalidRequest):
    """``Idempotency-Key`` must be 1 to ``limit`` visible ASCII characters."""

    code = "invalid_idempotency_key"


class ImageMissing(InvalidRequest):
    """Neither a file part ``image`` nor ``uploadKey`` was sent."""

    code = "image_missing"


class TooManyImages(InvalidRequest):
    """More than one image in a single-image call: ``count``, ``limit``."""

    code = "too_many_images"


class ImageEmpty(InvalidRequest):
    """The image has 0 bytes."""

    code = "image_empty"


class ImageUnreadable(InvalidRequest):
    """The image claims an accepted format but is truncated or damaged: ``format``."""

    code = "image_unreadable"


class ImageAnimated(InvalidRequest):
    """The image has several frames: ``frames``."""

    code = "image_animated"


class ImageUrlRefused(InvalidRequest):
    """We do not fetch from there: ``field``, ``reason`` (scheme, port, credentials, address, redirects, malformed)."""

    code = "image_url_refused"


class ImageUrlUnreachable(InvalidRequest):
    """Nothing to fetch there: ``field``, ``reason`` (dns, connection, tls, timeout, status), ``status`` (HTTP)."""

    code = "image_url_unreachable"


class UnknownModel(InvalidRequest):
    """No model of that name: ``model``."""

    code = "unknown_model"


class ScaleNotSupported(InvalidRequest):
    """The model cannot do this scale: ``scale``, ``allowed``."""

    code = "scale_not_supported"


class OptionNotSupported(InvalidRequest):
    """The model has no such option: ``option``, ``model``."""

    code = "option_not_supported"


class PromptRequired(InvalidRequest):
    """The model edits by prompt and got none: ``model``."""

    code = "prompt_required"


class PackNotConfigured(InvalidRequest):
    """No such pack of credits is sold here: ``pack``, ``allowed``."""

    code = "pack_not_configured"


class PlanNotConfigured(InvalidRequest):
    """No such subscription is sold here: ``plan``, ``interval``, ``allowed``."""

    code = "plan_not_configured"


class UploadNotFound(InvalidRequest):
    """``uploadKey`` names no finished upload of this caller."""

    code = "upload_not_found"


class OutputTooLarge(InvalidRequest):
    """The result would exceed what its format or the model can hold: ``width``, ``height``, ``limit``."""

    code = "output_too_large"


class NeedsJob(InvalidRequest):
    """Too much work for a synchronous call: ``megapixels``, ``limit``."""

    code = "needs_job"


class TooMuchWork(InvalidRequest):
    """More than even a job finishes in time: ``megapixels``, ``limit``, ``quality``, ``scale``."""

    code = "too_much_work"


class PromptRefused(InvalidRequest):
    """The provider's content filter refused the prompt or the picture: ``model``."""

    code = "prompt_refused"


class ProviderRejected(InvalidRequest):
    """The provider does not accept the picture or a parameter: ``provider``, ``model``."""

    code = "provider_rejected"


class WebhookInvalid(InvalidRequest):
    """A call-back without a signature that holds, too old or too new, or malformed."""

    code = "webhook_invalid"


class ReturnToInvalid(InvalidRequest):
    """Where to go after signing in must be a path of our own page: ``field``."""

    code = "return_to_invalid"


class ApiKeyInUrl(InvalidRequest):
    """An API key was sent in the URL, where logs keep it: revoke it, and send the next one as a header."""

    code = "api_key_in_url"


class Unauthenticated(EnhancerError):
    """We do not know, or no longer, who is calling."""

    type = "auth_error"


class NotSignedIn(Unauthenticated):
    """The call needs a signed-in user or an API key."""

    code = "sign_in_required"


class SignInFailed(Unauthenticated):
    """Signing in did not work: ``reason`` (denied, state, code, token, email_unverified, provider)."""

    code = "sign_in_failed"


class InvalidApiKey(Unauthenticated):
    """The API key is malformed, unknown or revoked; which one is not told."""

    code = "invalid_api_key"


class InsufficientCredits(EnhancerError):
    """Plan quota and bought credits do not cover the price: ``required``, ``available`` (credits)."""

    type = "insufficient_credits"
    code = "INSUFFICIENT_CREDITS"


class Forbidden(EnhancerError):
    """The caller may not do this."""

    type = "forbidden"


class OriginNotAllowed(Forbidden):
    """``Origin`` (else ``Referer``) of an unsafe cookie request is missing or foreign."""

    code = "origin_not_allowed"


class CsrfTokenInvalid(Forbidden):
    """Header ``X-CSRF-Token`` and cookie ``csrf_token`` are missing or differ."""

    code = "csrf_token_invalid"


class PlanRequired(Forbidden):
    """A better plan has it: ``feature``, ``plan``, ``requiredPlan``."""

    code = "plan_required"


class ProviderDisabled(Forbidden):
    """The model's provider is switched off here: ``provider``, ``model``."""

    code = "provider_disabled"


class ProviderForbidden(Forbidden):
    """The provider does not accept our token, or lacks a permission: ``provider``. Trying again cannot help."""

    code = "provider_forbidden"


class NotTheOwner(Forbidden):
    """The result belongs to somebody else."""

    code = "not_the_owner"


class ScopeMissing(Forbidden):
    """The API key may not do this: ``scope`` it would need; "session" means that only a signed-in browser may."""

    code = "scope_missing"


class AdminOnly(Forbidden):
    """The call is for administrators."""

    code = "admin_only"


class OwnerBlocked(Forbidden):
    """The account was blocked by an administrator."""

    code = "owner_blocked"


class NotFound(EnhancerError):
    """Missing, or not the caller's: the two are indistinguishable."""

    type = "not_found"
    code = "not_found"


class MethodNotAllowed(EnhancerError):
    """The path exists with other verbs: ``allow``."""

    type = "method_not_allowed"
    code = "method_not_allowed"


class Conflict(EnhancerError):
    """The state of the thing forbids it."""

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
    """The job was canceled; the item was not run, or its result was dropped."""

    code = "job_canceled"


class IdentityTaken(Conflict):
    """This Google or GitHub account already signs in somebody else here: ``provider``."""

    code = "identity_taken"


class TooManyKeys(Conflict):
    """The account has as many API keys as it may: ``limit``."""

    code = "too_many_keys"


class SubscriptionExists(Conflict):
    """There is a subscription already; it is changed in the portal: ``plan``, ``portal``."""

    code = "subscription_exists"


class NoSubscription(Conflict):
    """There is no subscription to cancel."""

    code = "no_subscription"


class NothingBought(Conflict):
    """Nothing was bought yet, so there is nothing to manage."""

    code = "nothing_bought"


class CheckoutUnderWay(Conflict):
    """The same checkout is being opened by another request this very moment."""

    code = "checkout_under_way"


class CreditsTooFew(Conflict):
    """More was to be deducted than there is: ``available`` (credits)."""

    code = "credits_too_few"


class TooLarge(EnhancerError):
    """More than we take."""

    type = "payload_too_large"


class FileTooLarge(TooLarge):
    """The file has too many bytes: ``size``, ``limit`` (bytes)."""

    code = "file_too_large"


class TooManyPixels(TooLarge):
    """The image has too many pixels: ``megapixels``, ``limit``."""

    code = "too_many_pixels"


class Unsupported(EnhancerError):
    """A media type we do not take."""

    type = "unsupported_media_type"


class ImageFormatUnsupported(Unsupported):
    """The content is none of the accepted image formats: ``allowed``."""

    code = "image_format_unsupported"


class ContentTypeUnsupported(Unsupported):
    """The request body has the wrong content type: ``expected``."""

    code = "content_type_unsupported"


class IdempotencyMismatch(EnhancerError):
    """The idempotency key was used before with another body."""

    type = "idempotency_mismatch"
    code = "idempotency_mismatch"


class LimitReached(EnhancerError):
    """Waiting cures it; ``retry_after_seconds`` says how long."""

    type = "rate_limit"

    def __init__(self, *, retry_after_seconds: int, **details: Any) -> None:
        super().__init__(**details)
        self.retry_after_seconds = retry_after_seconds


class RateLimited(LimitReached):
    """Too many calls in a short time: ``scope``, ``limit``, ``windowSeconds``."""

    code = "rate_limited"


class DailyQuotaExceeded(LimitReached):
    """The plan's images of today are used up: ``scope``, ``used``, ``limit``, ``resetAt`` (epoch ms)."""

    code = "daily_quota_exceeded"


class NetworkQuotaExceeded(LimitReached):
    """The guests of this network used up their images of today: ``scope``, ``used``, ``limit``, ``resetAt``."""

    code = "network_quota_exceeded"


class KeyCapReached(LimitReached):
    """The API key's own monthly credits are used up: ``scope``, ``used``, ``limit``, ``resetAt`` (epoch ms)."""

    code = "key_cap_reached"


class TooManyJobs(LimitReached):
    """The plan's jobs at once are all running: ``scope``, ``limit``."""

    code = "too_many_jobs"


class InternalError(EnhancerError):
    """Ours. Never shows its cause."""

    type = "server_error"
    code = "internal_error"


class SignInUnavailable(EnhancerError):
    """Google or GitHub does not answer, or sign-in with it is not set up: ``provider``."""

    type = "provider_error"
    code = "sign_in_unavailable"


class CashierError(EnhancerError):
    """Stripe cannot be asked. Nothing was bought and nothing was changed."""

    type = "provider_error"


class StripeNotConfigured(CashierError):
    """There is no key for Stripe here."""

    code = "stripe_not_configured"


class StripeUnavailable(CashierError):
    """Stripe does not answer, or not with what was asked.

    ``answered``: it said no, and would repeat that for a day under the same idempotency key; try again with another.
    """

    code = "stripe_unavailable"

    def __init__(self, *, answered: bool = False, **details: Any) -> None:
        super().__init__(**details)
        self.answered = answered


class ProviderError(EnhancerError):
    """The provider did not deliver. ``retry_after``: seconds it asked us to wait, None if it did not say.

    ``made``: the prediction ended well, and only fetching its result failed; making it again would be paid twice.
    """

    type = "provider_error"

    def __init__(self, *, retry_after: float | None = None, made: bool = False, **details: Any) -> None:
        super().__init__(**details)
        self.retry_after = retry_after
        self.made = made


class ProviderUnavailable(ProviderError):
    """The provider is down or broke off; worth another try."""

    code = "provider_unavailable"


class ProviderThrottled(ProviderError):
    """The provider asks for patience."""

    code = "provider_throttled"


class ProviderExhausted(ProviderError):
    """Today's allowance or budget at the provider is used up; no use before tomorrow: ``provider``."""

    code = "provider_exhausted"


class ProviderTimeout(ProviderError):
    """The provider did not finish in time: ``seconds``."""

    code = "provider_timeout"


class ProviderFailed(ProviderError):
    """The prediction ended as failed, and would again."""

    code = "provider_failed"


class ProviderOutputInvalid(ProviderError):
    """The provider finished without a usable image."""

    code = "provider_output_invalid"


class JobExpired(ProviderError):
    """The job passed its deadline unfinished; its hold was released."""

    code = "job_expired"


def leaves(root: type[EnhancerError] = EnhancerError) -> list[type[EnhancerError]]:
    """Return every error class that can be raised: those without subclasses."""
    children = root.__subclasses__()
    return [leaf for child in children for leaf in leaves(child)] if children else [root]


def leaf_named(class_name: str) -> type[EnhancerError] | None:
    """Return the leaf with this class name: what a state machine or a Lambda reports as its error."""
    return next((leaf for leaf in leaves() if leaf.__name__ == class_name), None)
