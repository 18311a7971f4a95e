"""The stream from the table to the mailer: mapping, lag and dead letters."""

from datetime import timedelta

from ops.doctor.check import Check, Finding, amber, green, grey, red
from ops.doctor.facts import Facts
from ops.resources.functions import event_invoke_config, event_source_mapping
from ops.terminal import durations

LATELY = timedelta(minutes=15)
SLOW = 60.0  # seconds behind; from then on, the drain sends what the stream has not
VERY_SLOW = 900.0


def _source(facts: Facts) -> Finding:
    stream = facts.table().get("LatestStreamArn")
    if not stream or not facts.table().get("StreamSpecification", {}).get("StreamEnabled"):
        return red("the table has no stream", *facts.deploy_again)
    read = {mapping["EventSourceArn"] for mapping in facts.mappings()}
    if not read:
        return red("nothing reads the table's stream", *facts.deploy_again)
    if stream not in read:
        return red("the mapping reads the stream of an earlier table", *facts.deploy_again)
    if facts.project.environment.get("USERS_STREAM_ARN") != stream:
        return red("the settings name the stream of an earlier table", *facts.deploy_again)
    if read != {stream}:
        return amber("the mapping of an earlier table still exists", *facts.deploy_again)
    return green(f"{stream.rpartition('/')[2]}, read by the mailer")


def _mapping(facts: Facts) -> Finding:
    mapping = facts.mapping()
    state, uuid = mapping["State"], mapping["UUID"]
    if state in ("Disabled", "Disabling"):
        return red(
            "disabled, so no mail is sent",
            "Enable it: all owed mail is then sent.",
            facts.stage.cloud.aws(f"lambda update-event-source-mapping --uuid {uuid} --enabled"),
        )
    if state != "Enabled":
        return amber(state.lower(), "Run doctor again in a minute.")
    result = mapping.get("LastProcessingResult", "")
    if result.upper().startswith(("PROBLEM", "FAILED")):
        return amber(
            f"the latest batch failed ({result})",
            "The mailer's log says why.",
            f"{_log(facts)} --since 1h",
        )
    return green(f"enabled, {result}" if result else "enabled")


def _settings(facts: Facts) -> Finding:
    differing = event_source_mapping.differences(
        facts.mapping(), facts.output("DeadLettersArn"), facts.stage.cloud.absent
    )
    if differing:
        return red(f"these differ from a deploy's: {', '.join(differing)}", *facts.deploy_again)
    return green("as a deploy sets them")


def _lag(facts: Facts) -> Finding:
    points = facts.client("cloudwatch").get_metric_statistics(
        Namespace="AWS/Lambda",
        MetricName="IteratorAge",
        Dimensions=[
            {
                "Name": "FunctionName",
                "Value": facts.project.function(event_source_mapping.FUNCTION),
            }
        ],
        StartTime=facts.now() - LATELY,
        EndTime=facts.now(),
        Period=60,
        Statistics=["Maximum"],
    )["Datapoints"]
    if not points:
        return grey("CloudWatch has measured nothing in the last 15 minutes")
    latest = max(points, key=lambda point: point["Timestamp"])
    behind = latest["Maximum"] / 1000
    line = f"{durations.words(behind)} behind"
    if behind < SLOW:
        return green(line)
    finding = red if behind >= VERY_SLOW else amber
    return finding(
        line,
        "The mailer's log says why it is slow: the quota, concurrency or an error.",
        _log(facts),
    )


def _dead_letters(facts: Facts) -> Finding:
    sqs = facts.client("sqs")
    name = facts.output("DeadLettersArn").rpartition(":")[2]
    queue = sqs.get_queue_url(QueueName=name)["QueueUrl"]
    counts = sqs.get_queue_attributes(
        QueueUrl=queue,
        AttributeNames=["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"],
    )["Attributes"]
    waiting = sum(int(count) for count in counts.values())
    if waiting:
        return red(
            f"{waiting} in the queue",
            "Read them. The drain sends mails of a failed batch again. Send a failed report of "
            "SES to its function again. Then delete the messages.",
            facts.stage.cloud.aws(f"sqs receive-message --queue-url {queue}"),
        )
    return green("none")


def _failed_feedback(facts: Facts) -> Finding:
    queue = facts.output("DeadLettersArn")
    if not event_invoke_config.differences(facts.client("lambda"), facts.project, queue):
        return green("goes to the dead letters")
    return red("failed reports would be lost", *facts.deploy_again)


def _log(facts: Facts) -> str:
    return f"{facts.stage.ops('logs')} --function {event_source_mapping.FUNCTION}"


_MAPPING = ("lambda:ListEventSourceMappings", "dynamodb:DescribeTable")
_OUTPUTS = "cloudformation:DescribeStacks"

CHECKS = (
    Check("Stream", "Source", _MAPPING, _source),
    Check("Stream", "Mapping", _MAPPING, _mapping),
    Check("Stream", "Settings", (*_MAPPING, _OUTPUTS), _settings),
    Check("Stream", "Lag", ("cloudwatch:GetMetricStatistics",), _lag),
    Check(
        "Stream",
        "Dead letters",
        ("sqs:GetQueueAttributes", "sqs:GetQueueUrl", _OUTPUTS),
        _dead_letters,
    ),
    Check(
        "Stream",
        "Failed feedback",
        ("lambda:GetFunctionEventInvokeConfig", _OUTPUTS),
        _failed_feedback,
    ),
)
