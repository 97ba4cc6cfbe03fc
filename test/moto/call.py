"""call.py ENDPOINT: makes calls of AWS by boto3, one for each line of input.

A line is {"service": "sqs", "operation": "send_message", "parameters": {...},
"key": ..., "secret": ..., "token": ...}; its answer is a line
{"answer": {...}} or {"error": "Code", "message": "...", "status": 403}.
"""

import json
import sys

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

endpoint = sys.argv[1]
clients = {}


def client(service, key, secret, token):
    found = (service, key, secret, token)
    if found not in clients:
        clients[found] = boto3.client(
            service, endpoint_url=endpoint, region_name="us-east-1",
            aws_access_key_id=key, aws_secret_access_key=secret,
            aws_session_token=token,
            config=Config(retries={"total_max_attempts": 1}))
    return clients[found]


def call(said):
    boto = client(said["service"], said["key"], said["secret"],
                  said.get("token"))
    try:
        answer = getattr(boto, said["operation"])(**said["parameters"])
    except ClientError as error:
        return {"error": error.response["Error"]["Code"],
                "message": error.response["Error"]["Message"],
                "status": error.response["ResponseMetadata"]
                ["HTTPStatusCode"]}
    answer.pop("ResponseMetadata", None)
    return {"answer": answer}


for line in sys.stdin:
    print(json.dumps(call(json.loads(line)), default=str), flush=True)
