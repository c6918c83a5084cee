"""What runs on a schedule.

``cost_report``  daily and monthly: what came in, what it cost, what is left
``quota_reset``  daily: expire credits, reconcile with Stripe, audit every ledger, close the days that are over
``sweep``        every minute: repair jobs and executions that a crash or a lost call-back left behind
"""
