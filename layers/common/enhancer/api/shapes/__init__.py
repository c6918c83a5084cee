"""What goes over the wire, by subject.

``accounts``       accounts, keys, administration
``billing``        prices, checkouts, subscriptions, statements
``error_texts``    the text of every error, English and German
``images``         models, usage, quotes, results, jobs
``statement_csv``  the statement as CSV
``wire``           the envelope, and the forms that come in
"""
