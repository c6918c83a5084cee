"""Stripe: the cashier.

``client``   Stripe's client: time-outs, retries, its errors in our words
``gateway``  what we ask Stripe for
``parse``    Stripe's objects as values of the domain
``webhook``  signatures of Stripe's events
"""
