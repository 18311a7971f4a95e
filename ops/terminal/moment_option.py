"""Now, and the moments that are typed."""

from datetime import datetime, timezone

import click

from ops.terminal import durations


class Moment(click.ParamType[datetime]):
    """How long ago, such as 10m, or a date."""

    name = "moment"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> datetime:
        try:
            return value if isinstance(value, datetime) else durations.moment(str(value), now())
        except ValueError as error:
            self.fail(str(error), param, ctx)


def now() -> datetime:
    """The moment in UTC."""
    return datetime.now(timezone.utc)
