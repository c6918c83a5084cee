"""CloudFormation: the routes, tags and CORS settings of an HTTP API that are in its OpenAPI ``Body``."""

from __future__ import annotations

from typing import Any

from local.corrections.release import Json, Module

IMPORTED = "imported from the OpenAPI Body"
"""Description of the integrations that `import_routes` made."""


def correct_http_api(provisioners: Module) -> None:
    """CloudFormation creates routes, integrations, tags and CORS from an API's OpenAPI ``Body``.

    SAM writes an ``HttpApi`` and its events as such a Body, which ministack ignores: every path answers 404.
    """
    handlers = provisioners._RESOURCE_HANDLERS["AWS::ApiGatewayV2::Api"]
    original_create, original_update = handlers["create"], handlers["update"]

    def prepared(props: Json) -> Json:
        return {**props, "Tags": api_tags(props), "CorsConfiguration": api_cors(props)}

    def create(logical_id: str, props: Json, stack: str) -> Any:
        api_id, attributes = original_create(logical_id, prepared(props), stack)
        import_routes(provisioners, api_id, props.get("Body") or {})
        return api_id, attributes

    def update(api_id: str, old: Json, new: Json, stack: str, logical_id: str | None = None) -> Any:
        result = original_update(api_id, prepared(old), prepared(new), stack, logical_id)
        current = result[0]  # differs from api_id only when the API was replaced
        forget_routes(provisioners._apigw_v2, current)
        import_routes(provisioners, current, new.get("Body") or {})
        return result

    handlers.update(create=create, update=update)


def import_routes(provisioners: Any, api_id: str, body: Json) -> None:
    """Create the routes of an OpenAPI Body; ValueError for an authorizer, because its route would be open to all."""
    for path, operations in (body.get("paths") or {}).items():
        for method, operation in operations.items():
            target = operation.get("x-amazon-apigateway-integration") if isinstance(operation, dict) else None
            if not target:
                continue
            verb = "ANY" if method == "x-amazon-apigateway-any-method" else method.upper()
            key = "$default" if path.strip("/") == "$default" else f"{verb} {path}"
            security = operation.get("security", body.get("security")) or []
            if any(entry != {"NONE": []} for entry in security):
                raise ValueError(f"{key}: authorizers in an OpenAPI Body are not imported locally")
            add_route(provisioners, api_id, key, target)


def add_route(provisioners: Any, api_id: str, key: str, target: Json) -> None:
    """Create one route with its Lambda integration."""
    integration = {
        "ApiId": api_id,
        "IntegrationType": "AWS_PROXY",
        "IntegrationMethod": "POST",
        "IntegrationUri": target["uri"],
        "PayloadFormatVersion": target.get("payloadFormatVersion", "2.0"),
        "TimeoutInMillis": target.get("timeoutInMillis", 30000),
    }
    integration_id, _ = provisioners._apigw_v2_integration_create("", integration, "")
    provisioners._apigw_v2._integrations[api_id][integration_id]["description"] = IMPORTED
    route = {
        "ApiId": api_id,
        "RouteKey": key,
        "Target": f"integrations/{integration_id}",
        "AuthorizationType": "NONE",
    }
    provisioners._apigw_v2_route_create("", route, "")


def forget_routes(gateway: Any, api_id: str) -> None:
    """Delete the routes of an earlier import, and keep those declared as resources."""
    integrations, routes = gateway._integrations[api_id], gateway._routes[api_id]
    ours = {name for name, value in integrations.items() if value.get("description") == IMPORTED}
    for route_id in [name for name, value in routes.items() if value["target"].split("/")[-1] in ours]:
        del routes[route_id]
    for integration_id in ours:
        del integrations[integration_id]


def api_tags(props: Json) -> dict[str, str]:
    """Return the tags of an API, which SAM writes into ``Body.tags``; ``ms-custom-id`` sets the API's id."""
    in_body = {
        tag["name"]: tag.get("x-amazon-apigateway-tag-value", "")
        for tag in (props.get("Body") or {}).get("tags") or []
        if isinstance(tag, dict) and "name" in tag
    }
    return {**in_body, **(props.get("Tags") or {})}


def api_cors(props: Json) -> Json | None:
    """Return the CORS settings with the camelCase keys that ministack reads."""
    cors = props.get("CorsConfiguration") or (props.get("Body") or {}).get("x-amazon-apigateway-cors")
    if not isinstance(cors, dict):
        return None
    return {key[0].lower() + key[1:]: value for key, value in cors.items()}
