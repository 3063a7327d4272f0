"""What a page's tracking pixel does: one GET for each click, with no key (web tracking).

ENDPOINT is the service's address, PROJECT the project; the store allows it by `webTracking: true`.
"""

import os
import urllib.parse
import urllib.request

import span
import world

STORE = "web-click"
TIMEOUT_SECONDS = 10


def pixel(address: str, found: world.Visit, number: int) -> str:
    """The image's address for click `number` of a visit."""
    click = {
        "APIVersion": "0.6.0",
        "session": found.session,
        "page": "h5",
        "click": found.clicks[number],
        "step": str(number),
        "at": str(found.time + 2 * number),
    }
    return f"{address}/logstores/{STORE}/track?{urllib.parse.urlencode(click)}"


def main() -> None:
    """Click until killed, or a given span."""
    options = span.parser(__doc__ or "").parse_args()
    scheme, _, host = os.environ["ENDPOINT"].partition("://")
    address = f"{scheme}://{os.environ['PROJECT']}.{host}"
    for begin, end in span.spans(options):
        for each in world.visits(begin, end):
            for number in range(len(each.clicks)):
                url = pixel(address, each, number)
                with urllib.request.urlopen(url, timeout=TIMEOUT_SECONDS) as answer:  # noqa: S310
                    answer.read()


if __name__ == "__main__":
    main()
