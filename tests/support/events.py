#!/usr/bin/python3
"""Validates the events that the specs caused (SIPHON_EVENT_LOG) against the JSON schema, and counts them.

    events.py [--all] SCHEMA FILE...

--all: also fails when no event was seen, or when one that the schema describes was not. A step that the schema does not
know is no mistake (a route of one's own may have it); one that siphon's own table lists and nobody saw is, with --all.
"""
import collections
import json
import os
import re
import subprocess
import sys

import jsonschema

# What a full run's beds need not see, and why.
NEVER_SEEN = {
    "log": "told by programs that embed siphon: tests/unit/libsiphon_spec.lua, whose events are validated apart",
    "warning": "comes from the C library alone, and is in no log: tests/lib/calls.c looks at it",
}

# Steps likewise.
STEPS_NEVER_SEEN = {
    "job": "a record that cannot be put away, while the job itself could be done: a race with the pool's removal",
}

SHOWN = 20


def kind_of(event):
    name = event.get("event", "?") if isinstance(event, dict) else "?"
    return name + "." + str(event.get("state")) if name == "step" else name


def own_steps():
    """The steps of lua/siphon/event_kinds.lua."""
    script = 'package.path = "lua/?.lua"; for _, s in ipairs(require("siphon.event_kinds").STEPS) do print(s[1]) end'
    return subprocess.run(["lua5.4", "-e", script], check=True, capture_output=True, text=True).stdout.split()


def why(schema, validator, event):
    """What is wrong with an event, in the words of the definition that its name and state choose."""
    definition = schema["$defs"].get(kind_of(event))
    if definition is None:
        return "the schema has no such event"
    single = validator.evolve(schema={**definition, "$defs": schema["$defs"]})
    return "; ".join(f"{error.json_path}: {error.message}" for error in single.iter_errors(event)) or "?"


def read(path):
    if not os.path.exists(path):
        return
    with open(path, encoding="utf-8") as lines:
        yield from enumerate(lines, 1)


def main(arguments):
    want_all = arguments[:1] == ["--all"]
    schema_path, *paths = arguments[want_all:]
    with open(schema_path, encoding="utf-8") as text:
        schema = json.load(text)
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    kinds, steps, problems, alike = collections.Counter(), set(), [], {}
    for path in paths:
        for number, line in read(path):
            try:
                event = json.loads(line)
            except ValueError as error:
                problems.append(f"{path}:{number}: {error}: {line.strip()}")
                continue
            kinds[kind_of(event)] += 1
            steps.add(event.get("step"))
            # Events that differ in their numbers' digits alone are as right, or as wrong, as each other.
            shape = re.sub("[0-9]", "0", line)
            if shape not in alike:
                alike[shape] = validator.is_valid(event)
            if not alike[shape]:
                problems.append(f"{path}:{number}: {why(schema, validator, event)}: {line.strip()}")
    if want_all:
        described = [choice["$ref"].rsplit("/", 1)[1] for choice in schema["oneOf"]]
        problems += [f"no spec caused the event {kind}" for kind in described if not kinds[kind]
                     and kind not in NEVER_SEEN]
        problems += [f"no spec caused the step {step}" for step in own_steps() if step not in steps
                     and step not in STEPS_NEVER_SEEN]
    counts = ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items()))
    print(f"{kinds.total()} events, {len(alike)} of them unlike each other{': ' + counts if counts else ''}")
    for problem in problems[:SHOWN]:
        print(problem)
    if len(problems) > SHOWN:
        print(f"... and {len(problems) - SHOWN} more")
    return 1 if problems else 0


sys.exit(main(sys.argv[1:]))
