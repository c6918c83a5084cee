"""AWS services other than DynamoDB.

``artifacts``     stored images and other files in S3
``counts``        sums of metrics from CloudWatch
``dead_letters``  the SQS queue of billing events that need a person
``notices``       messages about owners to an SNS topic, such as a quota running out
``probes``        a cheap read of each resource, for the deep health check
``secrets``       secrets from Secrets Manager, cached for some minutes
``workflow``      executions of the state machine in Step Functions, and its task tokens
"""
