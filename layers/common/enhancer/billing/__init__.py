"""Buying credits, subscribing, and the record of it.

``checkout``       buying, subscribing, leaving, the customer portal, the return from Stripe
``deletion``       what can be or is paid at Stripe for an account that is deleted
``deps``           what dealing with Stripe needs
``statement``      every movement of credits, with the balance after it
``stripe_events``  applies Stripe's events exactly once, in any order
"""
