"""Invoices with many lines: Stripe shows ten with the invoice, and what is subscribed to comes last."""

from enhancer.adapters.stripe.gateway import Payments
from tests.support.scripted_server import says, server

__all__ = ["server"]  # a fixture


def line(number, *, proration=True):
    return {
        "id": f"il_{number}", "object": "line_item", "amount": number, "period": {"start": 1, "end": 2},
        "pricing": {"type": "price_details", "price_details": {"price": "price_pro_monthly", "product": "pro"}},
        "parent": {"type": "invoice_item_details", "invoice_item_details": {"proration": proration}},
    }  # fmt: skip


def listed(url, lines, *, more):
    return {"object": "list", "url": url, "data": lines, "has_more": more}


def test_all_lines_of_an_invoice_are_read_page_by_page(server):
    """A hundred at a time; a line without a price or a parent is read, too."""
    path = "/v1/invoices/in_1/lines"
    lines = [line(number) for number in range(120)] + [{**line(120), "pricing": None, "parent": None}]
    server.on(
        "GET /v1/invoices/in_1",
        says(200, {
            "id": "in_1", "object": "invoice", "customer": "cus_1", "status": "paid", "created": 3, "livemode": False,
            "status_transitions": {"paid_at": 4},
            "billing_reason": "subscription_cycle", "lines": listed(path, lines[:10], more=True),
            "parent": {"type": "subscription_details", "subscription_details": {"subscription": "sub_1"}},
            "payments": listed("/v1/invoice_payments", [], more=False),
        }),
    )  # fmt: skip
    server.on(
        f"GET {path}",
        says(200, listed(path, lines[:100], more=True)),
        says(200, listed(path, lines[100:], more=False)),
    )
    found = Payments(lambda fresh: "sk_test_x", server.url).invoice("in_1")
    assert [one.amount for one in found.lines] == list(range(121))
    assert (found.lines[0].price, found.lines[0].proration) == ("price_pro_monthly", True)
    assert (found.lines[120].price, found.lines[120].proration) == ("", False)
    assert [call.path for call in server.calls(f"GET {path}")] == [
        f"{path}?limit=100", f"{path}?limit=100&starting_after=il_99",
    ]  # fmt: skip
