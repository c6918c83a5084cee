"""HTTP in front of the use cases.

``http``          requests, errors, headers, cookies, CSRF, forms
``job_pages``     pages of jobs, and answers a client may keep
``model_watch``   an upscale tied to its job: stops when canceled, wakes the waiting step
``page``          the page's files
``report``        the cost report as JSON, CSV and a page
``shapes``        what goes over the wire, by subject
``step``          what every step of the state machine runs in
``submit_forms``  from a form to a submitted job
"""
