"""Work at a service, with every way it can fail turned into one condition. Used by each kind."""

import contextlib
from collections.abc import AsyncIterator
from typing import Final

import aiohttp

from loghub_operator import cache, conditions, kinds, measuring, outages, queueing, reasons
from loghub_operator.reconciling import context
from slswire import errors

PAUSED: Final = "loghub.dev/paused"
"""Annotation: the remote may be changed by hand, and is not set back; nothing is deleted either."""
FINALIZER: Final = "loghub.dev/remote"
"""Only on objects with deletionPolicy Delete: their remote must go before they do."""


@contextlib.asynccontextmanager
async def guarded(
    ctx: context.Context, kind: kinds.Kind, found: context.Object
) -> AsyncIterator[None]:
    """Around the work for one object.

    Raises:
        AgainError: it failed, and the object's condition says how.
    """
    try:
        yield
    except context.NotReadyError as fault:
        await refuse(ctx, kind, found, reason=fault.reason, sentence=str(fault))
    except errors.SlsError as fault:
        measuring.REMOTE_ERRORS.labels(reasons.of(fault)).inc()
        await refuse(ctx, kind, found, reason=reasons.of(fault), sentence=reasons.sentence(fault))
    except context.AwayError as fault:
        key = (kind.plural, *cache.place(found))
        ctx.away.wait(fault.place, key)
        if fault.__cause__ is not None:  # it was asked, and is the one to ask again
            measuring.REMOTE_ERRORS.labels("Unreachable").inc()
            ctx.later(key, outages.PROBE_SECONDS)
        await refuse(ctx, kind, found, reason="Unreachable", sentence=str(fault))
    except (aiohttp.ClientError, TimeoutError) as fault:
        measuring.REMOTE_ERRORS.labels("Unreachable").inc()
        sentence = f"The service cannot be reached: {str(fault) or type(fault).__name__}"
        await refuse(ctx, kind, found, reason="Unreachable", sentence=sentence)


async def refuse(
    ctx: context.Context, kind: kinds.Kind, found: context.Object, *, reason: str, sentence: str
) -> None:
    """Say in a condition, and once in an event, why an object is not ready.

    Raises:
        AgainError: always.
    """
    news = not _says(found, reason, sentence)
    await ctx.set_status(kind, found, [conditions.false("Ready", reason, sentence)])
    if news:
        await ctx.events.warn(kind, found, reason, sentence)
    raise queueing.AgainError(sentence)


async def unpaused(
    ctx: context.Context, kind: kinds.Kind, found: context.Object
) -> context.Object | None:
    """The object to go on with; None where its owner wants nothing done for it for now."""
    asked = (found["metadata"].get("annotations") or {}).get(PAUSED) == "true"
    said = conditions.status_of(found, "Paused") == "True"
    if asked and not said:
        sentence = f"Nothing is done for it while it has the annotation {PAUSED}: true."
        await ctx.set_status(kind, found, [conditions.true("Paused", "Paused", sentence)])
    if asked:
        return None
    if _condition(found, "Paused") == "True":
        await ctx.set_status(kind, found, [conditions.false("Paused", "Resumed", "")])
        return ctx.cache.get(kind, *reversed(cache.place(found)))
    return found


def _condition(found: context.Object, kind: str) -> str:
    said = (found.get("status") or {}).get("conditions", [])
    return next((str(each["status"]) for each in said if each["type"] == kind), "")


async def hold(ctx: context.Context, kind: kinds.Kind, found: context.Object, policy: str) -> None:
    """Put the finalizer on an object whose remote is to be deleted with it, or take it off."""
    held = list(found["metadata"].get("finalizers") or [])
    if (FINALIZER in held) == (policy == "Delete"):
        return
    wanted = [*held, FINALIZER] if policy == "Delete" else [x for x in held if x != FINALIZER]
    await ctx.cluster.merge(kind, found, {"metadata": {"finalizers": wanted}})


def held(found: context.Object) -> bool:
    """Whether the object waits for its remote to be deleted."""
    return FINALIZER in (found["metadata"].get("finalizers") or [])


async def release(ctx: context.Context, kind: kinds.Kind, found: context.Object) -> None:
    """Take the finalizer off: the object may go."""
    kept = [x for x in found["metadata"].get("finalizers") or [] if x != FINALIZER]
    await ctx.cluster.merge(kind, found, {"metadata": {"finalizers": kept}})


def _says(found: context.Object, reason: str, sentence: str) -> bool:
    known = (found.get("status") or {}).get("conditions", [])
    # Request ids differ each time: the rest of the sentence is what is new or not.
    told = sentence.partition(" (request ")[0]
    return any(
        each["type"] == "Ready"
        and each["reason"] == reason
        and each["message"].partition(" (request ")[0] == told
        for each in known
    )
