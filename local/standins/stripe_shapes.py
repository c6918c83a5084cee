"""The parameters of each call of the Stripe stand-in; any other parameter is refused, as by Stripe."""

from __future__ import annotations

from local.standins.stripe_http import Shape, leaves

PAGE = "limit starting_after ending_before expand created"
LINE = leaves("adjustable_quantity metadata price quantity tax_rates")
CHECKOUT = leaves(
    "adaptive_pricing after_expiration allow_promotion_codes allowed_payment_method_types automatic_tax "
    "billing_address_collection branding_settings cancel_url client_reference_id consent_collection currency "
    "custom_fields custom_text customer customer_creation customer_email customer_update discounts "
    "excluded_payment_method_types expand expires_at integration_identifier invoice_creation locale "
    "managed_payments metadata mode name_collection origin_context payment_method_collection "
    "payment_method_configuration payment_method_data payment_method_options permissions "
    "phone_number_collection redirect_on_completion return_url saved_payment_method_options submit_type "
    "success_url tax_id_collection ui_mode wallet_options"
)
CUSTOMER = "address balance business_name description email expand individual_name invoice_prefix "
CUSTOMER += "invoice_settings metadata name phone preferred_locales shipping tax tax_exempt"
PRICE = "active currency expand lookup_key metadata nickname product recurring tax_behavior unit_amount"
PRODUCT = "active description expand id metadata name tax_code type unit_label url"
SHAPES: dict[str, Shape] = {
    "sessions.create": {
        **CHECKOUT,
        "line_items": LINE,
        "payment_intent_data": leaves(
            "capture_method description metadata receipt_email setup_future_usage statement_descriptor "
            "statement_descriptor_suffix"
        ),
        "subscription_data": leaves(
            "billing_mode default_tax_rates description invoice_settings metadata proration_behavior "
            "trial_period_days trial_settings"
        ),
    },
    "sessions.list": leaves(f"{PAGE} customer payment_intent status subscription"),
    "portal.create": leaves("configuration customer expand flow_data locale on_behalf_of return_url"),
    "customers.create": leaves(CUSTOMER),
    "customers.update": leaves(CUSTOMER),
    "customers.list": leaves(f"{PAGE} email"),
    "products.create": leaves(PRODUCT),
    "products.update": leaves(PRODUCT),
    "products.list": leaves(f"{PAGE} active ids"),
    "prices.create": leaves(PRICE),
    "prices.update": leaves("active expand lookup_key metadata nickname tax_behavior"),
    "prices.list": leaves(f"{PAGE} active currency lookup_keys product type"),
    "subscriptions.update": {
        **leaves(
            "billing_cycle_anchor cancel_at cancel_at_period_end cancellation_details description expand metadata "
            "off_session payment_behavior proration_behavior"
        ),
        "items": leaves("deleted id metadata price quantity"),
    },
    "subscriptions.cancel": leaves("cancellation_details expand invoice_now prorate"),
    "subscriptions.list": leaves(f"{PAGE} customer price status"),
    "subscription_schedules.list": leaves(f"{PAGE} customer"),
    "subscription_schedules.release": leaves("expand preserve_cancel_date"),
    "invoices.list": leaves(f"{PAGE} customer status subscription"),
    "invoice_payments.list": {**leaves(f"{PAGE} invoice status"), "payment": leaves("payment_intent type")},
    "payment_intents.update": leaves("description expand metadata receipt_email"),
    "payment_intents.list": leaves(f"{PAGE} customer"),
    "charges.update": leaves("customer description expand metadata receipt_email"),
    "charges.list": leaves(f"{PAGE} customer payment_intent"),
    "refunds.create": leaves("amount charge expand metadata payment_intent reason"),
    "refunds.update": leaves("expand metadata"),
    "refunds.list": leaves(f"{PAGE} charge payment_intent"),
    "disputes.update": leaves("evidence expand metadata submit"),
    "disputes.list": leaves(f"{PAGE} charge payment_intent"),
    "balance_transactions.list": leaves(f"{PAGE} currency payout source type"),
    "events.list": leaves(f"{PAGE} type types"),
}
RETRIEVE = leaves("expand")
LINES = leaves("limit starting_after ending_before expand")
