"""Buying credits, subscribing, and the record of it.

``checkout``       buying, subscribing, leaving, the customer portal, the return from Stripe
``deps``           what dealing with Stripe needs
``statement``      every movement of credits, with the balance after it
``stripe_events``  applies Stripe's events exactly once, in any order
"""
