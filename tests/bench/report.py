#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""report.py: what bench.sh measured, for people and for machines

Usage: report.py OUT      reads OUT.raw, writes OUT.json and OUT.md, prints

OUT.raw has lines of fields separated by tabs, each kind named by the first:
  meta KEY VALUE; subject NAME TITLE; skip NAME REASON;
  result SECTION ROUND SUBJECT TEST "KEY=VALUE ..."; failed SECTION ROUND
  SUBJECT TEST

A figure is the median over the rounds. A ratio is the median over the rounds
of (subject / plain in the same round), so that a machine that grows slower
during the run does not shift it. Where plain has no value there is no ratio. "~" marks a figure that is worth
little: other programs had over DISTURBED of the machine meanwhile.
"""

import json
import statistics
import sys

# Rows of the table: title, test, how to compute it from a result, how to show
# plain's value, and whether the others are shown as a ratio to it.
GB = 1e9
DISTURBED = 0.1


def mbit(r):
    return r["mbit"] / 1000


def pps(r):
    return r["pps"] / 1000


def machine(r):
    # Without what other programs used; report says how much that was.
    return max(r["machine_s"] - r["foreign_s"], 0) * GB / r["bytes"]


def ours(r):
    return r["ours_s"] * GB / r["bytes"]


def wire(r):
    return r["wire_bytes"] * 1000 / r["bytes"]


ROWS = [
    ("TCP down, Gbit/s", "tcp-down", mbit, "%.2f", True),
    ("TCP up, Gbit/s", "tcp-up", mbit, "%.2f", True),
    ("4 TCP down, Gbit/s", "tcp4-down", mbit, "%.2f", True),
    ("4 TCP up, Gbit/s", "tcp4-up", mbit, "%.2f", True),
    ("TCP both ways, Gbit/s", "tcp-both", mbit, "%.2f", True),
    ("UDP GSO down, Gbit/s", "gso-down", mbit, "%.2f", True),
    ("UDP GSO up, Gbit/s", "gso-up", mbit, "%.2f", True),
    ("UDP down, Gbit/s", "udp-down", mbit, "%.2f", True),
    ("UDP up, Gbit/s", "udp-up", mbit, "%.2f", True),
    ("64 bytes down, 1000/s", "small-down", pps, "%.0f", True),
    ("64 bytes up, 1000/s", "small-up", pps, "%.0f", True),
    ("connections/s", "conns", lambda r: r["conns"], "%.0f", True),
    ("CPU s/GB, TCP down", "tcp-down", machine, "%.2f", True),
    ("CPU s/GB, TCP up", "tcp-up", machine, "%.2f", True),
    ("- of processes, down", "tcp-down", ours, "%.2f", False),
    ("- of processes, up", "tcp-up", ours, "%.2f", False),
    ("delay idle, µs", "rtt", lambda r: r["rtt_us"], "%.0f", False),
    ("delay under TCP, µs", "tcp-down", lambda r: r["rtt_us"],
     "%.0f", False),
    ("- 99 of 100 below, µs", "tcp-down", lambda r: r["rtt99_us"],
     "%.0f", False),
    ("wire bytes per 1000", "tcp-down", wire, "%.0f", False),
]

SECTIONS = {
    "offload": "Offloads as Linux has them (super-packets on the links)",
    "wire": "All offloads of all links off (packets of 1500 bytes)",
}


def number(text):
    return float(text) if "." in text else int(text)


def load(path):
    run = {"meta": {}, "titles": {}, "skipped": {}, "failed": [],
           "results": {}}
    with open(path, encoding="utf-8") as raw:
        for line in raw:
            kind, *field = line.rstrip("\n").split("\t")
            if kind == "meta":
                run["meta"][field[0]] = field[1]
            elif kind == "subject":
                run["titles"][field[0]] = field[1]
            elif kind == "skip":
                run["skipped"][field[0]] = field[1]
            elif kind == "failed":
                run["failed"].append(" ".join(field))
            elif kind == "result":
                section, rnd, subject, test, words = field
                values = {k: number(v) for k, v in
                          (w.split("=") for w in words.split())}
                run["results"].setdefault(section, {}).setdefault(
                    subject, {}).setdefault(test, {})[int(rnd)] = values
    return run


def value(row, result):
    """What a row shows of a result; None where it has nothing to say."""
    try:
        return row[2](result)
    except (KeyError, ZeroDivisionError):
        return None


def per_round(row, tests):
    found = ((rnd, value(row, r)) for rnd, r in tests.get(row[1], {}).items())
    return {rnd: v for rnd, v in found if v is not None}


def median(values):
    values = list(values)
    return statistics.median(values) if values else None


def ratio(ours_, plain):
    return median(v / plain[rnd] for rnd, v in ours_.items()
                  if plain.get(rnd))


def disturbed(run, section, subject, test):
    cpus = float(run["meta"].get("cpus", 1))
    rounds = run["results"][section].get(subject, {}).get(test, {}).values()
    share = median(r["foreign_s"] / r["seconds"] / cpus for r in rounds)
    return share is not None and share > DISTURBED


def table(run, section):
    """[[title, cell, ...], ...], the first row being the subjects' titles."""
    subjects = [s for s in run["titles"] if s in run["results"][section]]
    lines = [[""] + [run["titles"][s] for s in subjects]]
    for row in ROWS:
        plain = per_round(row, run["results"][section].get("plain", {}))
        cells = []
        for s in subjects:
            mine = per_round(row, run["results"][section][s])
            relative = row[4] and s != "plain" and plain
            shown = ratio(mine, plain) if relative else median(mine.values())
            cells.append("-" if shown is None else
                         ("%.2f" if relative else row[3]) % shown +
                         ("~" if disturbed(run, section, s, row[1]) else ""))
        if any(c != "-" for c in cells):
            lines.append([row[0]] + cells)
    return lines


def text(lines, markdown):
    widths = [max(len(line[i]) for line in lines)
              for i in range(len(lines[0]))]
    for n, line in enumerate(lines):
        cells = [c.rjust(w) if i else c.ljust(w)
                 for i, (c, w) in enumerate(zip(line, widths))]
        if not markdown:
            yield "  ".join(cells)
            continue
        yield "| " + " | ".join(cells) + " |"
        if n == 0:
            yield "| --- |" + " ---: |" * (len(line) - 1)


def machine_line(run):
    m = run["meta"]
    return ("%s, Linux %s, %s, commit %s; %s, %s rounds of %s ms; other "
            "programs used %.0f %% of the machine%s" % (
                m.get("cpu"), m.get("kernel"), m.get("system"),
                m.get("commit"), m.get("date"), m.get("rounds"), m.get("ms"),
                foreign(run),
                ", ours ran at nice %s" % m["nice"]
                if m.get("nice", "0") != "0" else ""))


def foreign(run):
    used = had = 0
    for section in run["results"].values():
        for tests in section.values():
            for rounds in tests.values():
                for r in rounds.values():
                    used += r["foreign_s"]
                    had += r["seconds"] * float(run["meta"].get("cpus", 1))
    return 100 * used / had if had else 0


def document(run, markdown):
    yield machine_line(run)
    for section in run["results"]:
        yield ""
        yield SECTIONS.get(section, section) + ":"
        yield ""
        yield from text(table(run, section), markdown)
    yield ""
    yield ("Ratios to plain in the same round, plain itself in its unit; CPU "
           "of processes, delay and wire bytes: figures for all. Delay under "
           "TCP and wire bytes: with TCP down. ~: disturbed by other "
           "programs, worth little.")
    for name, why in run["skipped"].items():
        yield "Not measured: %s: %s." % (run["titles"].get(name, name), why)
    for what in run["failed"]:
        yield "Failed: %s." % what


def as_json(run):
    out = {"machine": run["meta"], "skipped": run["skipped"],
           "failed": run["failed"], "foreign_percent": round(foreign(run), 1),
           "titles": run["titles"], "sections": {}}
    for section, subjects in run["results"].items():
        for subject, tests in subjects.items():
            out["sections"].setdefault(section, {})[subject] = {
                "rounds": tests, "figures": figures(run, section, subject)}
    return out


def figures(run, section, subject):
    found = {}
    for row in ROWS:
        mine = per_round(row, run["results"][section][subject])
        plain = per_round(row, run["results"][section].get("plain", {}))
        if mine:
            found[row[0]] = {"median": median(mine.values()),
                             "ratio": ratio(mine, plain)}
    return found


def main():
    if len(sys.argv) != 2:
        sys.exit("usage: report.py OUT")
    out = sys.argv[1]
    run = load(out + ".raw")
    if not run["results"]:
        sys.exit("report: nothing was measured")
    with open(out + ".json", "w", encoding="utf-8") as f:
        json.dump(as_json(run), f, indent=1)
        f.write("\n")
    with open(out + ".md", "w", encoding="utf-8") as f:
        f.write("\n".join(document(run, True)) + "\n")
    print("\n".join(document(run, False)))
    print("\n%s.json has all figures, %s.md this for a README." % (out, out))
    sys.exit(1 if run["failed"] else 0)


main()
