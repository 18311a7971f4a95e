"""The limit: a bare pool of 100 threads over one batch, with as many connections."""

from concurrent.futures import ThreadPoolExecutor

import bare
import bare_mailer
import boto3
from botocore.config import Config

bare.dynamodb = boto3.client("dynamodb", config=Config(max_pool_connections=100))
bare_mailer.ses = boto3.client("sesv2", config=Config(max_pool_connections=100))


def same_calls(event, _context):
    with ThreadPoolExecutor(100) as pool:
        list(pool.map(bare_mailer.claim_and_send, event["Records"]))


def sends_only(event, _context):
    emails = [record["dynamodb"]["NewImage"]["email"]["S"] for record in event["Records"]]
    with ThreadPoolExecutor(100) as pool:
        list(pool.map(lambda email: bare_mailer.send(email, "Alexis", "https://…"), emails))
