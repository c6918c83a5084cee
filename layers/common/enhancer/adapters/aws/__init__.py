"""Amazon's services besides the table.

``artifacts``     stored images and other files in S3
``dead_letters``  what only people can put right, as messages in SQS
``notices``       what owners are told by other means than an answer, through SNS
``secrets``       secrets by name, kept for some minutes
``workflow``      executions of the state machine, and the tokens their waiting steps are woken by
"""
