"""The services tell their own contract, the one that the tests hold them to."""

import pytest

import contract
from shop import Shop, problem


@pytest.fixture(params=["command-service", "query-service"])
def served(request, stack):
    """(the service's kind, a way to ask it for its document)"""
    shop = Shop(stack.command_url, stack.query_url)
    base = stack.process(request.param).url
    return request.param, lambda method="GET", path="/openapi.json", **options: shop.send(method, path, base=base, **options)


def test_given_a_service_then_its_document_is_the_one_in_contracts(served):
    kind, ask = served
    answer = ask()
    assert answer.status_code == 200 and answer.headers["Content-Type"] == "application/json"
    assert answer.json() == contract.contract_of(kind).document
    assert "schema.json" not in answer.text and ".yaml" not in answer.text  # nothing that is somewhere else


def test_given_the_document_when_it_is_asked_for_again_then_304_only_for_its_tag(served):
    _, ask = served
    tag = ask().headers["ETag"]
    for condition, status in ((tag, 304), (f'"x", W/{tag}', 304), ("*", 304), ('"x"', 200), (tag[1:-1], 200)):
        answer = ask(headers={"If-None-Match": condition})
        assert answer.status_code == status and answer.headers["ETag"] == tag
        assert answer.headers["Cache-Control"] == "no-cache" and (status == 200) == bool(answer.content)


def test_given_another_method_then_405_and_head_is_get_without_body(served):
    _, ask = served
    assert problem(ask("POST", body={})) == "method-not-allowed" and ask("DELETE").headers["Allow"] == "GET, HEAD, OPTIONS"
    head = ask("HEAD")
    assert head.content == b"" and head.headers["Content-Length"] == ask().headers["Content-Length"]
    assert problem(ask(path="/openapi.json/more")) == "no-such-resource"
