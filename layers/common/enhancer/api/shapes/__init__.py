"""What goes over the wire, by subject.

``accounts``       accounts, keys, administration
``billing``        prices, checkouts, subscriptions, statements
``error_texts``    the text of every error, English and German
``flags``          the operator's flags, a change of them, their history
``health``         how we are, part by part
``jobs``           jobs and their items
``models``         the catalogue
``picture_texts``  what is wrong with a picture, where the usual text says too little
``problem_texts``  what is wrong with a field, in words
``reports``        the list of cost reports
``runs``           uploads, prices, refusals, results
``statement_csv``  the statement as CSV
``usage``          what is used and left
``wire``           the envelope, and the forms that come in
"""
