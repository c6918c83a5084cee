"""What runs by the clock.

``quota_reset``  daily: expire credits, reconcile with Stripe, audit every ledger
``sweep``        every minute: puts right what a crash or a lost call-back left behind
"""
