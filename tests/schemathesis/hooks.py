"""What Schemathesis has to know beside the contract: rules that OpenAPI can't express."""

import json

import schemathesis
from schemathesis.specs.openapi.checks import positive_data_acceptance

# Refusals that depend on what the cart is and was, not on the request alone.
REFUSED_FOR_ITS_STATE = {"version-mismatch", "idempotency-key-reused"}
AT_MOST_ONE_OF = {"minVersion", "version", "at"}
PARTITIONS = 6  # as the services under test are configured; the contract has the most that can be


def has_real(value):
    """JSON Schema takes 2.0 for an integer; here numbers are JSON integers."""
    if isinstance(value, dict):
        return any(map(has_real, value.values()))
    if isinstance(value, list):
        return any(map(has_real, value))
    return isinstance(value, float)


def is_longer_in_bytes(value):
    """The contract's lengths count characters, as JSON Schema does; the limits of 64 and 256 are meant in bytes of UTF-8."""
    if isinstance(value, dict):
        return any(map(is_longer_in_bytes, value.values()))
    if isinstance(value, list):
        return any(map(is_longer_in_bytes, value))
    return isinstance(value, str) and len(value.encode("utf-8", "replace")) > (64 if len(value) <= 64 else 256)


def is_beyond_the_schema(case, response):
    query = set(case.query or {})
    if not case.meta or not case.meta.generation.mode.is_positive:
        return False  # not for that check
    if "cursor" in query:  # what a page of the same request gave as `next`
        return True
    if "partition" in query and int(case.query["partition"]) >= PARTITIONS:
        return True
    if len(query & AT_MOST_ONE_OF) > 1 or ("after" in query and "partition" not in query):
        return True
    if response.headers.get("content-type", [""])[0] != "application/problem+json":
        return False
    problem = json.loads(response.content)["type"].rpartition(":")[2]
    return (problem in REFUSED_FOR_ITS_STATE or has_real(case.body) or is_longer_in_bytes(case.body) or
            is_longer_in_bytes(dict(case.path_parameters or {})))


@schemathesis.check
def acceptance_where_the_schema_can_tell(ctx, response, case):
    return None if is_beyond_the_schema(case, response) else positive_data_acceptance(ctx, response, case)
