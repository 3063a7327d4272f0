"""One of the shop's programs that print: `run.py wechat-server`. Formats are in `lines`."""

import sys

import lines
import span


def main() -> None:
    """Print until killed, or a given span."""
    parser = span.parser(__doc__ or "")
    parser.add_argument("program", choices=sorted(lines.PROGRAMS))
    options = parser.parse_args()
    for begin, end in span.spans(options):
        for _, stream, text in lines.PROGRAMS[options.program](begin, end):
            print(text, file=sys.stderr if stream == "stderr" else sys.stdout, flush=True)


if __name__ == "__main__":
    main()
