"""`python -m bench replay LOG`: every job of a log asks the real core for a promise; what was promised, and what came of it."""

import json
import sys
from collections.abc import Sequence

from bench import machine, results
from bench.replay import classes, options, report, schedule, swf
from bench.replay.run import replay
from bench.replay.swf import BadLog
from bench.results import Result
from scheduler import warming


def main(words: Sequence[str] | None = None) -> int:
    """0; 1 where a promise was broken; 2 with a sentence for a log or an option that is wrong."""
    wanted = options.read(words, __doc__)
    try:
        log = swf.read(wanted.log)
    except BadLog as error:
        _say(str(error))
        return 2
    for warning in (*wanted.notes, *report.warnings(log)):
        _say(warning)
    warming.warm()
    described = machine.described()
    found = replay(log, wanted.boxes, options.policy(wanted))
    if wanted.schedule is not None:
        schedule.write(wanted.schedule, found.outcomes)
    figures, by_class = report.figures(found), classes.table(found)
    kept = [
        Result(measure=measure, settings=options.said(wanted), machine=described, rows=rows)
        for measure, rows in (("replay", [figures]), ("replay-classes", by_class))
    ]
    if wanted.json:
        classes_too = {"classes": by_class} if wanted.classes else {}
        print(json.dumps(options.said(wanted) | figures | report.named(found) | classes_too, indent=1))
    else:
        print(report.shown(options.said(wanted) | figures))
        if wanted.classes:
            print("\n" + results.table(kept[1]))
    _keep(kept)
    return 1 if figures["promises_broken"] else 0


def _keep(kept: Sequence[Result]) -> None:
    try:
        _say("kept in " + " and ".join(str(results.keep(result)) for result in kept))
    except OSError as error:  # the figures were printed
        _say(f"not kept: {error}")


def _say(sentence: str) -> None:
    print(f"bench replay: {sentence}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
