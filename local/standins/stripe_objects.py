"""The objects of the Stripe stand-in, with the fields of API version 2026-10-28 that an application reads."""

from __future__ import annotations

import calendar
from datetime import UTC, datetime
from typing import Any

from local.standins.control import Json

NOBODY: Json = {
    "city": None,
    "country": None,
    "line1": None,
    "line2": None,
    "postal_code": None,
    "state": None,
}
DECLINED = "Your card was declined."


def later(moment: int, interval: str, anchor: int) -> int:
    """Return the end of a period: a month or a year later, on the anchor's day if the month has it."""
    start, day = datetime.fromtimestamp(moment, UTC), datetime.fromtimestamp(anchor, UTC).day
    months = start.year * 12 + start.month - 1 + (12 if interval == "year" else 1)
    year, month = divmod(months, 12)
    day = min(day, calendar.monthrange(year, month + 1)[1])
    return int(start.replace(year=year, month=month + 1, day=day).timestamp())


def product(product_id: str, now: int, *, name: str, description: str | None = None) -> Json:
    """Return a product."""
    return {
        "id": product_id, "object": "product", "active": True, "created": now, "default_price": None,
        "description": description, "images": [], "livemode": False, "marketing_features": [], "metadata": {},
        "name": name, "package_dimensions": None, "shippable": None, "statement_descriptor": None,
        "tax_code": None, "type": "service", "unit_label": None, "updated": now, "url": None,
    }  # fmt: skip


def price(price_id: str, now: int, *, of: str, amount: int, currency: str, recurring: str | None) -> Json:
    """Return a price, one-time or per month or year."""
    return {
        "id": price_id, "object": "price", "active": True, "billing_scheme": "per_unit", "created": now,
        "currency": currency, "custom_unit_amount": None, "livemode": False, "lookup_key": None,
        "metadata": {}, "nickname": None, "product": of,
        "recurring": recurring and {
            "interval": recurring, "interval_count": 1, "meter": None, "trial_period_days": None,
            "usage_type": "licensed",
        },
        "tax_behavior": "unspecified", "tiers_mode": None, "transform_quantity": None,
        "type": "recurring" if recurring else "one_time", "unit_amount": amount,
        "unit_amount_decimal": str(amount),
    }  # fmt: skip


def plan(of: Json) -> Json:
    """Return a plan, the older form of a recurring price, still part of subscription items."""
    return {
        "id": of["id"], "object": "plan", "active": of["active"], "amount": of["unit_amount"],
        "amount_decimal": of["unit_amount_decimal"], "billing_scheme": "per_unit", "created": of["created"],
        "currency": of["currency"], "interval": of["recurring"]["interval"], "interval_count": 1,
        "livemode": False, "metadata": {}, "meter": None, "nickname": None, "product": of["product"],
        "tiers_mode": None, "transform_usage": None, "trial_period_days": None, "usage_type": "licensed",
    }  # fmt: skip


def customer(customer_id: str, now: int, **known: Any) -> Json:
    """Return a customer."""
    return {
        "id": customer_id, "object": "customer", "address": None, "balance": 0, "business_name": None,
        "created": now, "currency": None, "default_source": None, "delinquent": False, "description": None,
        "discount": None, "email": None, "individual_name": None, "invoice_prefix": customer_id[-8:].upper(),
        "invoice_settings": {
            "custom_fields": None, "default_payment_method": None, "footer": None, "rendering_options": None
        },
        "livemode": False, "metadata": {}, "name": None, "next_invoice_sequence": 1, "phone": None,
        "preferred_locales": [], "shipping": None, "tax_exempt": "none", "test_clock": None, **known,
    }  # fmt: skip


def session(session_id: str, now: int, **known: Any) -> Json:
    """Return a checkout session that is not paid."""
    return {
        "id": session_id, "object": "checkout.session", "adaptive_pricing": {"enabled": True},
        "after_expiration": None, "allow_promotion_codes": None, "amount_subtotal": 0, "amount_total": 0,
        "automatic_tax": {"enabled": False, "liability": None, "provider": None, "status": None},
        "billing_address_collection": None, "cancel_url": None, "client_reference_id": None,
        "client_secret": None, "collected_information": None, "consent": None, "consent_collection": None,
        "created": now, "currency": None, "currency_conversion": None, "custom_fields": [],
        "custom_text": {
            "after_submit": None, "shipping_address": None, "submit": None, "terms_of_service_acceptance": None
        },
        "customer": None, "customer_account": None, "customer_creation": None, "customer_details": None,
        "customer_email": None, "discounts": None, "expires_at": now + 24 * 3600, "invoice": None,
        "invoice_creation": None, "livemode": False, "locale": None, "metadata": {}, "mode": "payment",
        "origin_context": None, "payment_intent": None, "payment_link": None,
        "payment_method_collection": "if_required", "payment_method_configuration_details": None,
        "payment_method_options": {}, "payment_method_types": ["card", "sepa_debit"],
        "payment_status": "unpaid", "permissions": None, "phone_number_collection": {"enabled": False},
        "presentment_details": None, "recovered_from": None, "redirect_on_completion": None,
        "return_url": None, "saved_payment_method_options": None, "setup_intent": None,
        "shipping_address_collection": None, "shipping_cost": None, "shipping_options": [], "status": "open",
        "submit_type": None, "subscription": None, "success_url": None,
        "total_details": {"amount_discount": 0, "amount_shipping": 0, "amount_tax": 0},
        "ui_mode": "hosted_page", "url": None, "wallet_options": None, **known,
    }  # fmt: skip


def item(item_id: str, of: Json, *, name: str, quantity: int) -> Json:
    """Return a line item of a checkout session."""
    amount = of["unit_amount"] * quantity
    return {
        "id": item_id, "object": "item", "adjustable_quantity": None, "amount_discount": 0,
        "amount_subtotal": amount, "amount_tax": 0, "amount_total": amount, "currency": of["currency"],
        "description": name, "metadata": {}, "price": of, "quantity": quantity,
    }  # fmt: skip


def intent(intent_id: str, now: int, *, amount: int, currency: str, **known: Any) -> Json:
    """Return a payment intent that has no charge yet."""
    return {
        "id": intent_id, "object": "payment_intent", "amount": amount, "amount_capturable": 0,
        "amount_details": {"tip": {}}, "amount_received": 0, "application": None,
        "application_fee_amount": None, "automatic_payment_methods": None, "canceled_at": None,
        "cancellation_reason": None, "capture_method": "automatic_async",
        "client_secret": f"{intent_id}_secret_local", "confirmation_method": "automatic", "created": now,
        "currency": currency, "customer": None, "description": None, "last_payment_error": None,
        "latest_charge": None, "livemode": False, "metadata": {}, "next_action": None, "on_behalf_of": None,
        "payment_method": None, "payment_method_types": ["card", "sepa_debit"], "processing": None,
        "receipt_email": None, "review": None, "setup_future_usage": None, "shipping": None, "source": None,
        "statement_descriptor": None, "statement_descriptor_suffix": None, "status": "processing",
        "transfer_data": None, "transfer_group": None, **known,
    }  # fmt: skip


def charge(charge_id: str, now: int, *, of: Json, status: str, who: Json | None) -> Json:
    """Return a charge: one attempt to collect a payment."""
    paid = status == "succeeded"
    return {
        "id": charge_id, "object": "charge", "amount": of["amount"],
        "amount_captured": of["amount"] if paid else 0, "amount_refunded": 0, "application": None,
        "application_fee": None, "application_fee_amount": None, "balance_transaction": None,
        "billing_details": {
            "address": NOBODY, "email": (who or {}).get("email"), "name": (who or {}).get("name"),
            "phone": None, "tax_id": None,
        },
        "calculated_statement_descriptor": "STAND-IN", "captured": paid, "created": now,
        "currency": of["currency"], "customer": of["customer"], "description": of["description"],
        "disputed": False, "failure_balance_transaction": None,
        "failure_code": "card_declined" if status == "failed" else None,
        "failure_message": DECLINED if status == "failed" else None, "fraud_details": {}, "livemode": False,
        "metadata": dict(of["metadata"]), "on_behalf_of": None, "outcome": None, "paid": paid,
        "payment_intent": of["id"], "payment_method": of["payment_method"],
        "payment_method_details": {
            "type": "card", "card": {"brand": "visa", "exp_month": 12, "exp_year": 2034, "last4": "4242"}
        },
        "receipt_email": None, "receipt_number": None, "receipt_url": None, "refunded": False, "review": None,
        "shipping": None, "source": None, "source_transfer": None, "statement_descriptor": None,
        "statement_descriptor_suffix": None, "status": status, "transfer_data": None, "transfer_group": None,
    }  # fmt: skip


def refund(refund_id: str, now: int, *, of: Json, amount: int, **known: Any) -> Json:
    """Return a refund."""
    return {
        "id": refund_id, "object": "refund", "amount": amount, "balance_transaction": None, "charge": of["id"],
        "created": now, "currency": of["currency"],
        "destination_details": {"card": {"reference_status": "pending", "type": "refund"}, "type": "card"},
        "metadata": {}, "payment_intent": of["payment_intent"], "reason": None, "receipt_number": None,
        "source_transfer_reversal": None, "status": "succeeded", "transfer_reversal": None, **known,
    }  # fmt: skip


def dispute(dispute_id: str, now: int, *, of: Json, amount: int, reason: str, status: str) -> Json:
    """Return a dispute (chargeback) of a charge."""
    return {
        "id": dispute_id, "object": "dispute", "amount": amount, "balance_transactions": [],
        "charge": of["id"], "created": now, "currency": of["currency"], "enhanced_eligibility_types": [],
        "evidence": {"enhanced_evidence": {}},
        "evidence_details": {
            "due_by": now + 7 * 86400, "enhanced_eligibility": {}, "has_evidence": False, "past_due": False,
            "submission_count": 0, "submission_method": "not_submitted",
        },
        "is_charge_refundable": False, "livemode": False, "metadata": {}, "network_reason_code": "10.4",
        "payment_intent": of["payment_intent"], "payment_method_details": {
            "card": {
                "brand": "visa", "case_type": "chargeback", "network": "visa", "network_reason_code": "10.4"
            },
            "type": "card",
        },
        "reason": reason, "status": status,
    }  # fmt: skip


def balance_transaction(
    transaction_id: str, now: int, *, of: Json, kind: str, category: str, amount: int, fee: int
) -> Json:
    """Return a movement of the account's balance; a fee is positive, an amount that leaves the account negative."""
    details = {
        "amount": fee, "application": None, "currency": of["currency"],
        "description": "Stripe processing fees" if category == "charge" else "Dispute fee",
        "type": "stripe_fee",
    }  # fmt: skip
    return {
        "id": transaction_id, "object": "balance_transaction", "amount": amount,
        "available_on": now + 2 * 86400, "balance_type": "payments", "created": now, "currency": of["currency"],
        "description": of.get("description"), "exchange_rate": None, "fee": fee,
        "fee_details": [details] if fee else [], "net": amount - fee, "reporting_category": category,
        "source": of["id"], "status": "pending", "type": kind,
    }  # fmt: skip


def subscription_item(
    item_id: str, of: Json, *, subscription: str, start: int, end: int, quantity: int, created: int
) -> Json:
    """Return a subscription item: its price and its current period, which is not at the subscription."""
    return {
        "id": item_id, "object": "subscription_item", "billing_thresholds": None, "created": created,
        "current_period_end": end, "current_period_start": start, "discounts": [], "metadata": {},
        "plan": plan(of), "price": of, "quantity": quantity, "subscription": subscription, "tax_rates": [],
    }  # fmt: skip


def subscription(subscription_id: str, now: int, **known: Any) -> Json:
    """Return a subscription without its items."""
    return {
        "id": subscription_id, "object": "subscription", "application": None, "application_fee_percent": None,
        "automatic_tax": {"disabled_reason": None, "enabled": False, "liability": None},
        "billing_cycle_anchor": now, "billing_cycle_anchor_config": None,
        "billing_mode": {"flexible": {"proration_discounts": "included"}, "type": "flexible"},
        "billing_schedules": [], "billing_thresholds": None, "cancel_at": None, "cancel_at_period_end": False,
        "canceled_at": None,
        "cancellation_details": {"comment": None, "feedback": None, "reason": None},
        "collection_method": "charge_automatically", "created": now, "currency": None, "customer": None,
        "customer_account": None, "days_until_due": None, "default_payment_method": None,
        "default_source": None, "default_tax_rates": [], "description": None, "discounts": [],
        "ended_at": None,
        "invoice_settings": {"account_tax_ids": None, "issuer": {"type": "self"}}, "latest_invoice": None,
        "livemode": False, "metadata": {}, "next_pending_invoice_item_invoice": None, "on_behalf_of": None,
        "pause_collection": None, "payment_settings": {"save_default_payment_method": "off"},
        "pending_invoice_item_interval": None, "pending_setup_intent": None, "pending_update": None,
        "schedule": None, "start_date": now, "status": "active", "test_clock": None, "transfer_data": None,
        "trial_end": None, "trial_settings": {"end_behavior": {"missing_payment_method": "create_invoice"}},
        "trial_start": None, **known,
    }  # fmt: skip


def schedule(schedule_id: str, now: int, *, of: Json, phases: list[tuple[Json, int, int]]) -> Json:
    """Return a running schedule of a subscription; a phase is a price, its start and its end."""
    return {
        "id": schedule_id, "object": "subscription_schedule", "application": None,
        "billing_mode": of["billing_mode"], "canceled_at": None, "completed_at": None, "created": now,
        "current_phase": {"start_date": phases[0][1], "end_date": phases[0][2]}, "customer": of["customer"],
        "customer_account": None,
        "default_settings": {
            "application_fee_percent": None, "automatic_tax": {
                "disabled_reason": None, "enabled": False, "liability": None
            },
            "billing_cycle_anchor": "automatic", "billing_thresholds": None,
            "collection_method": "charge_automatically", "default_payment_method": None, "description": None,
            "invoice_settings": {
                "account_tax_ids": None, "custom_fields": None, "days_until_due": None, "description": None,
                "footer": None, "issuer": {"type": "self"},
            },
            "on_behalf_of": None, "transfer_data": None,
        },
        "end_behavior": "release", "livemode": False, "metadata": {}, "pause_schedules": [],
        "phases": [_phase(*phase, of["metadata"]) for phase in phases], "released_at": None,
        "released_subscription": None, "status": "active", "subscription": of["id"], "test_clock": None,
    }  # fmt: skip


def _phase(price: Json, start: int, end: int, metadata: Json) -> Json:
    return {
        "add_invoice_items": [], "application_fee_percent": None, "automatic_tax": None,
        "billing_cycle_anchor": None, "billing_thresholds": None, "collection_method": None,
        "currency": price["currency"], "default_payment_method": None, "default_tax_rates": [],
        "description": None, "discounts": [], "end_date": end, "invoice_settings": None,
        "items": [{
            "billing_thresholds": None, "discounts": [], "metadata": {}, "plan": price["id"],
            "price": price["id"], "quantity": 1, "tax_rates": [],
        }],
        "metadata": dict(metadata), "on_behalf_of": None, "proration_behavior": "none", "start_date": start,
        "transfer_data": None, "trial": None, "trial_end": None,
    }  # fmt: skip


def invoice_line(
    line_id: str, of: Json, *, invoice: str, text: str, amount: int, start: int | None, proration: bool
) -> Json:
    """Return an invoice line about one subscription item, for its period or the part of it from ``start`` on."""
    return {
        "id": line_id, "object": "line_item", "amount": amount, "currency": of["price"]["currency"],
        "description": text, "discount_amounts": [], "discountable": not proration, "discounts": [],
        "invoice": invoice, "livemode": False, "metadata": {},
        "parent": {
            "invoice_item_details": None,
            "subscription_item_details": {
                "invoice_item": None, "proration": proration,
                "proration_details": {"credited_items": None}, "subscription": of["subscription"],
                "subscription_item": of["id"],
            },
            "type": "subscription_item_details",
        },
        "period": {
            "start": of["current_period_start"] if start is None else start, "end": of["current_period_end"]
        },
        "pretax_credit_amounts": [],
        "pricing": {
            "price_details": {"price": of["price"]["id"], "product": of["price"]["product"]},
            "type": "price_details", "unit_amount_decimal": str(amount // max(of["quantity"], 1)),
        },
        "quantity": of["quantity"], "subtotal": amount, "taxes": [],
    }  # fmt: skip


def invoice(invoice_id: str, now: int, *, of: Json, who: Json, total: int, reason: str, base: str) -> Json:
    """Return an open invoice of a subscription, which ``parent`` names."""
    return {
        "id": invoice_id, "object": "invoice", "account_country": "DE", "account_name": "Stand-in",
        "account_tax_ids": None, "amount_due": total, "amount_overpaid": 0, "amount_paid": 0,
        "amount_remaining": total, "amount_shipping": 0, "application": None, "attempt_count": 0,
        "attempted": False, "auto_advance": True, "automatic_tax": {"enabled": False, "status": None},
        "automatically_finalizes_at": None, "billing_reason": reason,
        "collection_method": "charge_automatically", "created": now, "currency": of["currency"],
        "custom_fields": None, "customer": who["id"], "customer_account": None, "customer_address": None,
        "customer_email": who["email"], "customer_name": who["name"], "customer_phone": None,
        "customer_shipping": None, "customer_tax_exempt": "none", "customer_tax_ids": [],
        "default_payment_method": None, "default_source": None, "default_tax_rates": [], "description": None,
        "discounts": [], "due_date": None, "effective_at": now, "ending_balance": 0, "footer": None,
        "from_invoice": None, "hosted_invoice_url": f"{base}/i/{invoice_id}",
        "invoice_pdf": f"{base}/i/{invoice_id}/pdf", "issuer": {"type": "self"},
        "last_finalization_error": None, "latest_revision": None, "livemode": False, "metadata": {},
        "next_payment_attempt": None,
        "number": f"{who['invoice_prefix']}-{who['next_invoice_sequence']:04d}", "on_behalf_of": None,
        "parent": {
            "quote_details": None,
            "subscription_details": {"metadata": dict(of["metadata"]), "subscription": of["id"]},
            "type": "subscription_details",
        },
        "payment_settings": {"payment_method_options": None, "payment_method_types": None},
        "period_end": now, "period_start": now, "post_payment_credit_notes_amount": 0,
        "pre_payment_credit_notes_amount": 0, "receipt_number": None, "rendering": None,
        "shipping_cost": None, "shipping_details": None, "starting_balance": 0, "statement_descriptor": None,
        "status": "open",
        "status_transitions": {
            "finalized_at": now, "marked_uncollectible_at": None, "paid_at": None, "voided_at": None
        },
        "subtotal": total, "subtotal_excluding_tax": total, "test_clock": None, "total": total,
        "total_discount_amounts": [], "total_excluding_tax": total, "total_pretax_credit_amounts": [],
        "total_taxes": [], "webhooks_delivered_at": now,
    }  # fmt: skip


def invoice_payment(payment_id: str, now: int, *, of: Json, intent: str) -> Json:
    """Return an invoice payment: the link from an invoice to its payment intent."""
    return {
        "id": payment_id, "object": "invoice_payment", "amount_paid": None,
        "amount_requested": of["amount_due"], "created": now, "currency": of["currency"],
        "invoice": of["id"], "is_default": True, "livemode": False,
        "payment": {"type": "payment_intent", "payment_intent": intent}, "status": "open",
        "status_transitions": {"canceled_at": None, "paid_at": None},
    }  # fmt: skip
