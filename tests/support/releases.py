"""Functions with versions of three releases behind their aliases, and the stack they are in, in memory."""

from botocore.exceptions import ClientError

OLD, BEFORE, LAST = "2611280900aaaaaaa", "2611290900bbbbbbb", "2611291000ccccccc"
DENIED = ClientError({"Error": {"Code": "TooManyRequestsException", "Message": "slow down"}}, "UpdateAlias")


class Lambda:
    """Aliases in memory, like the client of Lambda; ``refusals``: how often a function's alias is refused."""

    def __init__(self, versions, live, refusals=None):
        self.versions = {name: dict(found) for name, found in versions.items()}
        self.live = dict(live)
        self.weights = {}
        self.refusals = refusals or {}

    def get_paginator(self, _operation):
        return self

    def paginate(self, **order):
        found = [
            {"Version": number, "Environment": {"Variables": {"RELEASE": release}}}
            for release, number in self.versions[order["FunctionName"]].items()
        ]
        yield {"Versions": [{"Version": "$LATEST", "Environment": {"Variables": {"RELEASE": LAST}}}]}
        yield {"Versions": found}

    def get_alias(self, **order):
        assert order["Name"] == "live"
        name = order["FunctionName"]
        weights = self.weights.get(name, {})
        return {"FunctionVersion": self.live[name], "RoutingConfig": {"AdditionalVersionWeights": weights}}

    def update_alias(self, **order):
        assert order["Name"] == "live"
        name = order["FunctionName"]
        if self.refusals.get(name, 0):
            self.refusals[name] -= 1
            raise DENIED
        self.live[name] = order["FunctionVersion"]
        self.weights[name] = order["RoutingConfig"]["AdditionalVersionWeights"]

    def delete_function(self, **order):
        name, gone = order["FunctionName"], order["Qualifier"]
        assert self.live[name] != gone
        self.versions[name] = {release: one for release, one in self.versions[name].items() if one != gone}


class Stack:
    """A deployed stack whose functions are these."""

    name, place = "stack", "here"

    def __init__(self, functions, status="UPDATE_COMPLETE"):
        self.functions = functions
        self.description = {"StackStatus": status}
        self.stopped = False

    def output(self, name):
        return {"Release": LAST}[name]

    def client(self, service):
        return self.functions if service == "lambda" else self

    def get_paginator(self, _operation):
        return self

    def paginate(self, **order):
        assert order == {"StackName": self.name}
        for name in self.functions.versions:
            arn = f"arn:aws:lambda:eu-central-1:1:function:{name}:live"
            yield {"StackResourceSummaries": [
                {"ResourceType": "AWS::Lambda::Function", "PhysicalResourceId": name},
                {"ResourceType": "AWS::Lambda::Alias", "PhysicalResourceId": arn},
            ]}  # fmt: skip

    def cancel_update_stack(self, **order):
        assert order == {"StackName": self.name}
        self.stopped = True


def deployed(**more):
    """Three releases of two functions, and one that came with the last; the last is live."""
    versions = {
        "a": {OLD: "3", BEFORE: "4", LAST: "5"},
        "b": {OLD: "1", BEFORE: "2", LAST: "9"},
        "new": {LAST: "1"},
    }
    return Lambda(versions, {"a": "5", "b": "9", "new": "1"}, **more)
