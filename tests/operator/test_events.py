"""Events are bounded per object, and good news over all."""

from loghub_operator import events, kinds


class Api:
    """Remembers what is created: the API server cannot be made to forget its own clock."""

    def __init__(self) -> None:
        self.created: list[dict] = []

    async def create(self, kind: kinds.Kind, wanted: dict) -> dict:
        self.created.append(wanted)
        return wanted


ABOUT = {"metadata": {"name": "a", "namespace": "n", "uid": "u"}}


async def test_flood_of_events_on_one_object_is_cut_and_others_get_through():
    api, now = Api(), [0.0]
    told = events.Events(api, lambda: now[0])
    for number in range(100):
        await told.warn(kinds.STORE, ABOUT, "Unreachable", f"words {number}")
    assert len(api.created) == events.BURST
    await told.warn(kinds.STORE, {"metadata": {**ABOUT["metadata"], "uid": "v"}}, "X", "words")
    assert len(api.created) == events.BURST + 1
    now[0] += events.REFILL_SECONDS
    await told.warn(kinds.STORE, ABOUT, "Unreachable", "again")
    assert len(api.created) == events.BURST + 2


async def test_event_of_a_cluster_scoped_object_is_in_default():
    api = Api()
    about = {"metadata": {"name": "pool", "uid": "u"}}
    await events.Events(api).tell(kinds.AGENT, about, "Available", "words")
    assert api.created[0]["metadata"]["namespace"] == "default"


async def test_good_news_of_many_objects_is_cut_and_bad_news_gets_through():
    api, now = Api(), [0.0]
    told = events.Events(api, lambda: now[0])
    many = [{"metadata": {"name": "a", "namespace": "n", "uid": str(n)}} for n in range(1000)]
    for about in many:
        await told.tell(kinds.STORE, about, "Provisioned", "words")
    assert len(api.created) == events.GOOD_BURST
    await told.warn(kinds.STORE, ABOUT, "Unreachable", "words")
    assert len(api.created) == events.GOOD_BURST + 1
    now[0] += 1.0
    for about in many:
        await told.tell(kinds.STORE, about, "Provisioned", "words")
    assert len(api.created) == events.GOOD_BURST + 1 + events.GOOD_PER_SECOND
