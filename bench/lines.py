"""bench/lines.py: a line of `./dev bench`, as JSON and in the table for people."""

import json
import statistics

# Always there, in this order. Others may follow.
KEYS = ["name", "unit", "min", "median", "max", "against", "ratio"]


def digits6(value):
    """Six significant digits: more would be noise."""
    return float(f"{value:.6g}")


def line_of(name, unit, ours, against, theirs, **more):
    """Measurements of one run each, of ours and of the contender's."""
    line = {"name": name, "unit": unit, "min": digits6(min(ours)),
            "median": digits6(statistics.median(ours)), "max": digits6(max(ours)),
            "against": against,
            "ratio": digits6(statistics.median(ours) / statistics.median(theirs)),
            "against_min": digits6(min(theirs)),
            "against_median": digits6(statistics.median(theirs)),
            "against_max": digits6(max(theirs)), "runs": len(ours)}
    return {**line, **more}


def line_without_numbers(name, unit, against, note):
    """Not run, or run and wrong. Never a number."""
    return {**dict.fromkeys(KEYS), "name": name, "unit": unit, "against": against, "note": note}


def to_json(line):
    assert list(line)[:len(KEYS)] == KEYS, line
    return json.dumps(line)


def short(value):
    """For people: three digits or so, M and k."""
    if value is None:
        return "-"
    for above, suffix in ((1e6, " M"), (1e4, " k")):
        if abs(value) >= above:
            return f"{value / {' M': 1e6, ' k': 1e3}[suffix]:.3g}{suffix}"
    return f"{value:.3g}" if abs(value) < 100 else f"{value:.0f}"


def table(lines):
    """The lines of a table."""
    head = ["name", "unit", "min", "median", "max", "against", "its median", "ratio"]
    cells = [head] + [[line["name"], line["unit"], short(line["min"]), short(line["median"]),
                       short(line["max"]), line["against"], short(line.get("against_median")),
                       short(line["ratio"])] for line in lines]
    widths = [max(len(row[i]) for row in cells) for i in range(len(head))]
    to_the_left = (0, 1, 5)
    for index, row in enumerate(cells):
        text = "  ".join(cell.ljust(width) if i in to_the_left else cell.rjust(width)
                         for i, (cell, width) in enumerate(zip(row, widths)))
        note = lines[index - 1].get("note") if index else None
        yield text.rstrip() + (f"\n    {note}" if note else "")
