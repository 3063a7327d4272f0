"""Nodes that are gone: their AgentReports would be counted in every status for ever.

Called by `running` now and then. A report is an agent's word, and an agent that is restarted writes
it anew; what must not happen is that a young cluster's first reports go because nodes were not
listed yet, so only a report of some age is taken for one that was left behind.
"""

import datetime as dt
from typing import Final

from loghub_operator import kinds
from loghub_operator.reconciling import context

YOUNG: Final = dt.timedelta(hours=1)


async def forget_nodes(ctx: context.Context, now: dt.datetime) -> None:
    """Delete the reports of nodes that do not exist any more.

    Raises:
        ClusterError: the API server refused.
    """
    namespace = ctx.settings.namespace
    there = set(await ctx.cluster.births(kinds.NODE))
    if there.issuperset(ctx.reports.names()):
        return
    for name, stamp in (await ctx.cluster.births(kinds.REPORT, namespace)).items():
        if name not in there and now - dt.datetime.fromisoformat(stamp) > YOUNG:
            await ctx.cluster.delete(kinds.REPORT, name, namespace)
