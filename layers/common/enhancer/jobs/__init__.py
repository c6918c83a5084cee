"""A job's whole life, from the order to its deletion.

``callbacks``  the signed path on which a provider reports an end
``deps``       what running jobs needs
``holds``      taking the price: who pays, and what an idempotency key stands for
``manage``     find, cancel, retry, delete
``quota``      what is left, looked at before any work
``quote``      what a run would cost and what would refuse it
``resolve``    settle, release, close, the next try
``results``    handing out artifacts
``run``        inside a request, or handed over to the state machine
``sharing``    the same picture asked for again: copied or awaited, never paid twice
``spending``   what a try costs us, against the daily cap
``steps``      one function per state of the state machine
``submit``     from an order to a held job
"""
