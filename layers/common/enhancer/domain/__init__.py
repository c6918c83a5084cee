"""The product's rules. Pure: standard library only, no input and no output, time is an argument.

``accounts``       users, their sessions, and sign-ins that were begun
``api_keys``       form, scopes and limits of API keys
``artifacts``      keys of stored files in the bucket
``aws_prices``     AWS's list prices, dated
``aws_usage``      what a run makes AWS count, and what that costs
``availability``   which models may run in an environment
``callers``        who sent a request: a guest, a user or an API key
``closings``       the closing of a day: what all ledgers did, what is owed at midnight
``cohorts``        who is let in while the product is opened step by step
``costs``          what a run costs us, in USD micros; the providers' prices
``credits``        packs of credits, lots, expiry
``digests``        SHA-256 of requests, results and idempotency keys
``entitlement``    what a model can do and a plan includes
``errors``         every error, with its type and code
``etags``          whether a client already has what it asks for
``flags``          what the operator sets at run time: phase, switches, caps
``flags_document`` the same as a JSON document: bounds, changes, what differs
``health``         what a deep health check says about each part
``ids``            random ids and names; ids sort by time
``images``         accepted formats, limits of size
``income``         what moved at Stripe, what of it is earned, what is owed
``jobs``           a job and its items
``keyed_hashes``   names for what must not be stored itself
``ledger``         ledger entries, holds and balances
``margins``        what is left of what was earned, by model and plan
``models``         the catalogue of models
``money``          a day at Stripe, summed up
``owners``         who owns things: a guest or a user
``paths``          paths that a browser may be sent to; loopback URLs
``payments``       what Stripe tells us, as values
``periods``        days and months, in UTC
``plans``          the plans and their limits
``predictions``    the interface of every predictor
``pricing``        what a run costs its owner, in tenths of a credit
``rate_limits``    rate limits as arithmetic
``recovery``       what follows a failed try: again, another model, or the end
``refs``           which item of which job, attempt and turn; in events, paths and keys
``refusals``       the errors of quotas that are used up
``report``         the cost report
``stripe_prices``  Stripe's price ids of packs and plans
``subscriptions``  subscriptions, and the plan and months they give
"""
