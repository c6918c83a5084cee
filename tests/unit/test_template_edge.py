"""The optional CDN in front of the API (edge.yaml) and the API's own domain: what is kept, refused and passed on."""

import json
import shutil
import subprocess

import pytest

from enhancer.api.http.request import EDGE_ADDRESS_HEADER, EDGE_SECRET_HEADER
from tests.support import template

EDGE = template.load(template.ROOT / "edge.yaml")["Resources"]
TEMPLATE = template.load()
DISTRIBUTION = EDGE["Distribution"]["Properties"]["DistributionConfig"]
PROGRAM = """
let text = '';
process.stdin.on('data', part => text += part).on('end', () => {
  const [code, event] = JSON.parse(text);
  const handler = new Function(code + '; return handler;')();
  console.log(JSON.stringify(handler(event)));
});
"""


def entrance(uri, **headers):
    """What CloudFront's function makes of a visitor's request."""
    sent = {name.replace("_", "-"): {"value": value} for name, value in headers.items()}
    event = {
        "version": "1.0",
        "viewer": {"ip": "192.0.2.7"},
        "request": {"method": "GET", "uri": uri, "headers": sent, "querystring": {}, "cookies": {}},
    }
    code = EDGE["Entrance"]["Properties"]["FunctionCode"]
    ran = subprocess.run(
        [str(shutil.which("node")), "-e", PROGRAM],
        input=json.dumps([code, event]),
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(ran.stdout)


@pytest.mark.parametrize(
    "uri",
    ["/r2-ai/ai-enhancer/results%2Fuser%2Fada%2Fa.png", "/r2-ai/a%252fb", "/r2-ai/a%25252Fb", "/r2-ai/a%5cb",
     "/%722-ai/a%2fb", "/r2-ai/a%00", "/api/auth/keys/a%2f..%2fb"],
)  # fmt: skip
def test_encoded_separators_are_refused_before_the_api_decodes_them(uri):
    """One picture has one address, however often the slash was encoded, and nothing keeps the refusal."""
    answer = entrance(uri)
    assert answer["statusCode"] == 404
    assert answer["headers"]["cache-control"]["value"] == "no-store"


@pytest.mark.parametrize(
    "uri", ["/", "/r2-ai/ai-enhancer/uploads/a%20b.png", "/en/tools/ai-image-enhancer", "/a%2"]
)
def test_other_paths_are_passed_on_with_the_visitors_own_address(uri):
    """Whatever a visitor claims it is: limits and the audit go by it."""
    passed = entrance(uri, **{EDGE_ADDRESS_HEADER: "203.0.113.1"})
    assert passed["uri"] == uri
    assert passed["headers"][EDGE_ADDRESS_HEADER] == {"value": "192.0.2.7"}


def test_everything_runs_through_the_entrance():
    """Also what comes from the cache."""
    behaviours = [DISTRIBUTION["DefaultCacheBehavior"], *DISTRIBUTION["CacheBehaviors"]]
    for one in behaviours:
        (association,) = one["FunctionAssociations"]
        assert association == {
            "EventType": "viewer-request",
            "FunctionARN": {"Fn::GetAtt": ["Entrance", "FunctionMetadata", "FunctionARN"]},
        }
        assert one["ViewerProtocolPolicy"] == "redirect-to-https"


def test_nothing_is_kept_but_files_that_say_so():
    """Pages hold a nonce, answers are private, and a deleted picture must be gone; only assets are kept."""
    default = DISTRIBUTION["DefaultCacheBehavior"]
    assert default["CachePolicyId"] == "4135ea2d-6df8-44a3-9df3-4b5a84be39ad"  # CachingDisabled
    assert default["OriginRequestPolicyId"] == "b689b0a8-53d0-40ab-baf2-68738e2966ac"  # all but Host
    assert {"GET", "HEAD", "OPTIONS", "PUT", "POST", "PATCH", "DELETE"} == set(default["AllowedMethods"])
    (assets,) = DISTRIBUTION["CacheBehaviors"]
    assert (assets["PathPattern"], assets["CachePolicyId"]) == ("/assets/*", {"Ref": "Assets"})
    policy = EDGE["Assets"]["Properties"]["CachePolicyConfig"]
    assert (policy["MinTTL"], policy["DefaultTTL"]) == (0, 0)  # only what Cache-Control allows
    assert policy["ParametersInCacheKeyAndForwardedToOrigin"]["CookiesConfig"] == {"CookieBehavior": "none"}


def test_a_refusal_is_told_to_nobody_else():
    """CloudFront keeps errors for ten seconds unless it is told not to."""
    kept = {one["ErrorCode"]: one["ErrorCachingMinTTL"] for one in DISTRIBUTION["CustomErrorResponses"]}
    assert kept == dict.fromkeys([400, 403, 404, 405, 414, 416, 500, 501, 502, 503, 504], 0)


def test_the_firewall_counts_first_and_never_blocks_a_picture():
    """A body of megabytes full of chance matches is what we are here for."""
    acl = EDGE["WebAcl"]["Properties"]
    assert acl["Scope"] == "CLOUDFRONT"
    rate, common = acl["Rules"]
    assert (rate["Action"], rate["Statement"]["RateBasedStatement"]["AggregateKeyType"]) == (
        {"Block": {}},
        "IP",
    )
    assert common["OverrideAction"] == {"Fn::If": ["Blocks", {"None": {}}, {"Count": {}}]}
    assert template.load(template.ROOT / "edge.yaml")["Parameters"]["Firewall"]["Default"] == "count"
    counted = {
        one["Name"]
        for one in common["Statement"]["ManagedRuleGroupStatement"]["RuleActionOverrides"]
        if one["ActionToUse"] == {"Count": {}}
    }
    assert {"SizeRestrictions_BODY", "CrossSiteScripting_BODY", "GenericLFI_BODY"} <= counted


def test_the_api_knows_the_edge_by_what_only_the_edge_sends():
    """The secret is a header of the origin, which CloudFront sets itself; the API holds its hash."""
    (origin,) = DISTRIBUTION["Origins"]
    assert origin["OriginCustomHeaders"] == [
        {"HeaderName": EDGE_SECRET_HEADER, "HeaderValue": {"Ref": "EdgeSecret"}}
    ]
    variables = TEMPLATE["Globals"]["Function"]["Environment"]["Variables"]
    assert variables["EDGE_SECRET_SHA256"] == {"Ref": "EdgeSecretSha256"}
    assert TEMPLATE["Parameters"]["EdgeSecretSha256"]["Default"] == ""


def test_the_apis_own_domain_is_there_only_where_one_is_named():
    """The local stack has none."""
    for name in ("ApiDomain", "ApiDomainMapping"):
        assert TEMPLATE["Resources"][name]["Condition"] == "HasDomain"
    assert template.condition(TEMPLATE, "HasDomain") is False
    assert template.condition(TEMPLATE, "HasDomain", Domain="enhance.example") is True
    stage = TEMPLATE["Resources"]["ApiDomainMapping"]["DependsOn"]
    assert template.transformed()["Resources"][stage]["Type"] == "AWS::ApiGatewayV2::Stage"


def test_the_edge_is_valid_in_the_only_region_that_takes_it():
    """CloudFront's firewall lives in us-east-1."""
    command = ["cfn-lint", "--regions", "us-east-1", "--", str(template.ROOT / "edge.yaml")]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout
