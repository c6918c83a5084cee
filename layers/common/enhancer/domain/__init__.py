"""The rules. Pure: standard library only, time is an argument.

``accounts``       accounts, sessions, sign-ins under way
``api_keys``       what API keys look like and may do
``artifacts``      how stored files are named
``availability``   which models may run here: environment, switches
``callers``        who sent a request
``costs``          what a run costs us
``credits``        packs, lots, expiry
``digests``        what makes two requests the same, and two results
``entitlement``    what a model can do and a plan includes
``errors``         every error, with its code
``ids``            ids that sort by time
``images``         formats and sizes
``jobs``           a job and its items
``keyed_hashes``   names for what must not be stored itself
``ledger``         money as immutable entries
``models``         the catalogue
``owners``         who owns things
``paths``          URLs and paths of our own
``payments``       what Stripe tells us, as values
``periods``        days and months
``plans``          the plans and their limits
``predictions``    what every predictor must do
``pricing``        what a run costs its owner
``rate_limits``    rate limits as arithmetic
``recovery``       what follows a failed try
``refs``           which item of which job, attempt and turn; in events, paths and keys
``refusals``       refusals by a quota that is used up
``stripe_prices``  what is sold under which price of Stripe
``subscriptions``  subscriptions and the months they paid for
"""
