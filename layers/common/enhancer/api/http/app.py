"""What every handler runs in: checks before it, envelope and headers after it."""

from __future__ import annotations

import string
import time
from collections.abc import Callable
from typing import Any, Literal
from urllib.parse import quote

from aws_lambda_powertools.event_handler import APIGatewayHttpResolver, Response
from aws_lambda_powertools.event_handler.exceptions import NotFoundError
from aws_lambda_powertools.event_handler.openapi.exceptions import RequestValidationError

from enhancer import runtime
from enhancer.accounts.caller import identify, identify_key, network_of
from enhancer.adapters.dynamodb.rates import RateState
from enhancer.api.http import cookies, csrf, query
from enhancer.api.http.failures import failure, invalid_fields
from enhancer.api.http.query import Handler
from enhancer.api.http.request import Request
from enhancer.domain import errors
from enhancer.domain.accounts import Account
from enhancer.domain.api_keys import Scope, holds_key
from enhancer.domain.callers import Caller
from enhancer.domain.errors import EnhancerError
from enhancer.domain.owners import Owner
from enhancer.domain.plans import RateClass, rate_limit
from enhancer.domain.rate_limits import RateLimit
from enhancer.telemetry import logger

SECURITY_HEADERS = {
    "Strict-Transport-Security": "max-age=31536000; includeSubDomains; preload",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "strict-origin-when-cross-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
    "Cross-Origin-Opener-Policy": "same-origin",
}
RATE_LIMIT, RATE_LIMIT_POLICY = "RateLimit", "RateLimit-Policy"
"""Field names of the IETF draft (draft-ietf-httpapi-ratelimit-headers); they may still change."""
Admits = Literal["everybody", "users", "admins"]
"""Whom an app serves: anybody, users (also by API key, where the app has a scope), administrators."""
PATH_PART_BYTES_MAX = 512
"""Longest part of a path: it may become part of a key in the table, which has at most 1,024 bytes."""
LOGGED_PATH_MAX = 300


class App(APIGatewayHttpResolver):
    """A Powertools resolver that knows how its calls are guarded.

    ``rate`` is the limit that its calls count against; None means it has none and needs no caller. ``reads`` is the
    limit for GET, HEAD and OPTIONS. ``csrf`` is off only for routes that browsers post to by themselves. ``validated``:
    whether Powertools validates requests and answers with pydantic. ``scope`` is what an API key needs for calls that
    change something (reading needs "read"); None means that no key will do. ``for_blocked``: also who is blocked may do
    it, such as signing out and taking their data along. ``admitted``: whom it serves, told before a body is looked at;
    a route may say otherwise with `admits`. ``follows_flags``: the caller's plan is capped and what they may start is
    known, as the operator's flags say (a read of the table each half minute). ``request_context``: the request being
    answered.
    """

    request_context: RequestContext

    def __init__(
        self,
        *,
        rate: RateClass | None,
        reads: RateClass | None,
        csrf: bool,
        validated: bool,
        scope: Scope | None,
        for_blocked: bool,
        admits: Admits,
        follows_flags: bool,
    ) -> None:
        super().__init__(enable_validation=validated)
        self.validated = validated
        self.rate = rate
        self.reads = reads
        self.csrf = csrf
        self.scope = scope
        self.for_blocked = for_blocked
        self.admitted = admits
        self.follows_flags = follows_flags

    def rate_of(self, method: str) -> RateClass | None:
        """Return which limit a call with this verb counts against."""
        return self.reads if method in csrf.SAFE else self.rate

    def methods_of(self, path: str) -> list[str]:
        """Return the verbs that have a route for this path."""
        return sorted({route.method for route in self._routes_of(path)})

    def check_query(self, request: Request) -> None:
        """Raise `InvalidFields` for query parameters that the route of this request does not take."""
        route = self._route_of(request)
        named = set(query.read_by_hand(route.func))
        if self.validated and request.query:
            named |= {param.alias for param in route.dependant.query_params}
        query.check(request.query, named, foreign=getattr(route.func, "foreign_query", False))

    def admitted_to(self, request: Request) -> Admits:
        """Return whom the route of this request serves."""
        admitted: Admits = getattr(self._route_of(request).func, "admits", self.admitted)
        return admitted

    def _route_of(self, request: Request) -> Any:
        return next(one for one in self._routes_of(request.path) if one.method == request.method)

    def _routes_of(self, path: str) -> list[Any]:
        # Powertools answers 404 for a verb without a route and has no public list of routes; a 405 names the others.
        return [route for route in self._static_routes + self._dynamic_routes if route.rule.match(path)]


def admits(whom: Admits) -> Callable[[Handler], Handler]:
    """Say that a route serves others than its app does."""

    def decorate(handler: Handler) -> Handler:
        handler.admits = whom  # type: ignore[attr-defined]
        return handler

    return decorate


def create_app(
    *,
    rate: RateClass | None = "other",
    reads: RateClass | None = None,
    csrf: bool = True,
    validated: bool = True,
    scope: Scope | None = "generate",
    for_blocked: bool = False,
    admits: Admits = "everybody",
    follows_flags: bool = False,
) -> App:
    """Return an app whose routes answer in our envelope, whatever happens in them.

    ``rate`` is the limit its calls count against, ``reads`` another one for GET. ``validated`` is off for functions
    that take and give no JSON: pydantic is half of a cold start. ``csrf`` is off for what strangers' pages and servers
    call by themselves; their query parameters are not judged either. ``admits`` and ``follows_flags`` as in `App`;
    whatever may start a run needs the flags.
    """
    app = App(
        rate=rate,
        reads=reads or rate,
        csrf=csrf,
        validated=validated,
        scope=scope,
        for_blocked=for_blocked,
        admits=admits,
        follows_flags=follows_flags,
    )
    if validated:
        from enhancer.api.http.validation import RequestValidation  # noqa: PLC0415 - loads pydantic

        # Middlewares that are added in public ways run after this one, which has read the body by then.
        app._request_validation_middleware = RequestValidation()  # type: ignore[no-untyped-call]  # noqa: SLF001
    app.exception_handler(Exception)(lambda problem: _problem_response(app, problem))
    return app


def entrypoint(app: App) -> Callable[[dict[str, Any], Any], dict[str, Any]]:
    """Return the Lambda handler of an app: checks, route, headers, one log line."""

    def lambda_handler(event: dict[str, Any], lambda_context: Any) -> dict[str, Any]:
        app.request_context = context = RequestContext(app, event)
        try:
            answer = context.moved()
            if answer is None:
                context.enter()
                answer = app.resolve(event, lambda_context)
        except EnhancerError as refused:
            answer = failure(context.request, refused)
        except Exception:  # noqa: BLE001 - the last resort; our own errors were caught above
            logger.exception("unhandled", extra={"requestId": context.request.id})
            answer = failure(context.request, errors.InternalError())
        return context.leave(answer)

    return lambda_handler


class RequestContext:
    """One request from arrival to answer: caller, checks, rate limit, headers and cookies of the answer, log line.

    ``now`` (epoch ms) is when it came in. The clock is read once, so that all of it happens on one day.
    """

    def __init__(self, app: App, event: dict[str, Any]) -> None:
        self.app = app
        self.now = runtime.now()
        self.started = time.perf_counter()
        self.request = Request(event, runtime.settings().app_origin)
        self._age_ms = self.request.age_ms(self.now)
        self.rate: RateState | None = None
        self._notes: dict[str, str] = {}
        self._caller: Caller | None = None

    @property
    def caller(self) -> Caller:
        """Who is calling; looked up once, when first asked for. With an API key, cookies are not looked at."""
        if self._caller is None:
            self._caller = found = self._identified()
            if self.app.follows_flags:
                self._caller = (
                    runtime.flags()
                    .get()
                    .seen_by(found, language=self.request.language, plans_sold=runtime.settings().sells_plans)
                )
        return self._caller

    def _identified(self) -> Caller:
        request = self.request
        if request.api_key is not None:
            return identify_key(
                request.api_key,
                source_ip=request.source_ip,
                network_key=runtime.signing_keys()[0],
                api_keys=runtime.api_keys(),
                now=self.now,
            )
        return identify(
            guest_cookie=request.cookies.get(cookies.GUEST),
            session_token=request.session_token,
            source_ip=request.source_ip,
            signer=runtime.signer(),
            network_key=runtime.signing_keys()[0],
            accounts=runtime.accounts(),
            new_name=runtime.new_name,
            now=self.now,
        )

    @property
    def elapsed_ms(self) -> float:
        """Time since the request reached the function."""
        return (time.perf_counter() - self.started) * 1000

    @property
    def waited_seconds(self) -> float:
        """Time since the gateway took the request: the start of the function is part of it."""
        return (self._age_ms + self.elapsed_ms) / 1000

    def note(self, **fields: str) -> None:
        """Add fields to this request's log line; never a prompt, token, e-mail or address."""
        self._notes |= fields

    @property
    def user(self) -> Account:
        """The account of the browser that is signed in; raise `NotSignedIn`, or `ScopeMissing` for an API key."""
        caller = self.caller
        if caller.key:
            raise errors.ScopeMissing(scope="session")
        if caller.account is None:
            raise errors.NotSignedIn
        return caller.account

    @property
    def admin(self) -> Account:
        """The account of the administrator who is signed in; raise `AdminOnly` for anybody else."""
        if self.user.role != "admin":
            raise errors.AdminOnly
        return self.user

    def moved(self) -> dict[str, Any] | None:
        """Return a redirect for reading a path of the API with a slash too many at its end, None for anything else."""
        request, path = self.request, self.request.path
        trimmed = path.rstrip("/")
        ours = trimmed != path and trimmed.startswith(("/api/", "/r2-ai/"))
        if not ours or request.method not in ("GET", "HEAD") or self.app.methods_of(path):
            return None
        asked = quote(request.event.get("rawQueryString") or "", safe=string.punctuation)
        location = quote(trimmed) + (f"?{asked}" if asked else "")
        return {"statusCode": 308, "headers": {"Location": location}, "cookies": [], "isBase64Encoded": False}

    def enter(self) -> None:
        """Check path, verb, origin, CSRF, rate limit, who calls, query, in this order; raise the first refusal."""
        request, app = self.request, self.app
        allowed = app.methods_of(request.path) if _is_sane(request.path) else []
        if not allowed:
            raise errors.NotFound
        if request.method not in allowed:
            raise errors.MethodNotAllowed(allow=allowed)
        if any(holds_key(value) for value in request.query.values()):
            raise errors.ApiKeyInUrl(header="Authorization")
        if app.csrf and request.api_key is None:
            csrf.check(request, allowed_origins=runtime.settings().allowed_origins)
        name = app.rate_of(request.method)
        if name:
            self.count_against(name)
            self.check_caller()
            self.check_admitted()
        if app.csrf:
            app.check_query(request)
        app.append_context(request=request)  # type: ignore[no-untyped-call]

    def count_against(self, name: RateClass) -> None:
        """Count this call against a limit of the caller; raise `RateLimited`."""
        self._take(self.caller.rate_subject, rate_limit(self.caller.plan, name))

    def count_network(self, limit: RateLimit) -> None:
        """Count this call against a limit of the network it comes from, whoever calls; raise `RateLimited`."""
        self._take(network_of(self.request.source_ip, runtime.signing_keys()[0]), limit)

    def _take(self, subject: Owner | str, limit: RateLimit) -> None:
        try:
            self.rate = runtime.rates().take(subject, limit, now=self.now)
        except errors.RateLimited as refused:
            self.rate = RateState(limit, remaining=0, reset_seconds=refused.retry_after_seconds)
            raise

    def check_admitted(self) -> None:
        """Refuse whom the app does not serve, before anything that they sent is looked at."""
        match self.app.admitted_to(self.request), self.app.scope:
            case "admins", _:
                _ = self.admin
            case "users", None:
                _ = self.user
            case "users", _ if self.caller.account is None:
                raise errors.NotSignedIn

    def check_caller(self) -> None:
        """Refuse who is blocked, and what the key's scopes do not include."""
        caller = self.caller
        if caller.key or not self.app.for_blocked:
            self.refuse_blocked()
        if caller.key:
            scope = "read" if self.request.method in csrf.SAFE else self.app.scope
            if scope is None or scope not in caller.key.scopes:
                raise errors.ScopeMissing(scope=scope or "session")

    def refuse_blocked(self) -> None:
        """Raise `OwnerBlocked` for a user who is blocked, in calls of an app that is otherwise open to them."""
        if self.caller.account and self.caller.account.blocked:
            raise errors.OwnerBlocked

    def leave(self, answer: dict[str, Any]) -> dict[str, Any]:
        """Add headers and cookies, log, and return the answer."""
        headers: dict[str, str] = answer["headers"]
        answer["body"] = answer.get("body") or ""  # HEAD and 304 have none; a gateway takes text only
        elapsed = self.elapsed_ms
        headers.update(SECURITY_HEADERS)
        headers["X-Request-Id"] = self.request.id
        timing = headers.get("Server-Timing")
        headers["Server-Timing"] = (f"{timing}, " if timing else "") + f"total;dur={elapsed:.1f}"
        if self.rate:
            limit = self.rate.limit
            headers[RATE_LIMIT_POLICY] = f'"{limit.name}";q={limit.limit};w={limit.window_seconds}'
            headers[RATE_LIMIT] = f'"{limit.name}";r={self.rate.remaining};t={self.rate.reset_seconds}'
        if self.app.rate:
            headers.setdefault("Cache-Control", "no-store")
            answer["cookies"] = [*answer.get("cookies", []), *self._new_cookies()]
        logger.info(
            "request",
            extra={
                "requestId": self.request.id,
                "method": self.request.method,
                "path": self.request.path[:LOGGED_PATH_MAX],
                "status": answer["statusCode"],
                "ms": round(elapsed, 1),
                **self._notes,
            },
        )
        return answer

    def _new_cookies(self) -> list[str]:
        """The guest and CSRF cookies this browser lacks."""
        secure, new = self.request.is_secure, []
        if self._caller and self._caller.new_guest_cookie:
            value = self._caller.new_guest_cookie
            new.append(cookies.cookie(cookies.GUEST, value, seconds=cookies.GUEST_SECONDS, secure=secure))
        if self.request.api_key is not None:
            return []
        if self.app.csrf and cookies.CSRF not in self.request.cookies:
            token, seconds = csrf.new_token(), cookies.GUEST_SECONDS
            new.append(cookies.cookie(cookies.CSRF, token, seconds=seconds, secure=secure, http_only=False))
        return [str(one) for one in new]


def _is_sane(path: str) -> bool:
    """Return whether a path could be one of ours: printable, and no part of it too long for a key in the table."""
    return path.isprintable() and all(len(part.encode()) <= PATH_PART_BYTES_MAX for part in path.split("/"))


def _problem_response(app: App, problem: Exception) -> Response[str]:
    """Return our envelope for whatever a route raised; the text of an unknown error goes to the log only."""
    match problem:
        case EnhancerError():
            known: EnhancerError = problem
        case RequestValidationError() if problem.errors()[0]["loc"][0] != "response":
            known = invalid_fields(list(problem.errors()))
        case NotFoundError():
            known = errors.NotFound()
        case _:
            logger.error("unhandled", exc_info=problem, extra={"requestId": app.request_context.request.id})
            known = errors.InternalError()
    answer = failure(app.request_context.request, known)
    return Response(answer["statusCode"], "application/json", answer["body"], answer["headers"])
