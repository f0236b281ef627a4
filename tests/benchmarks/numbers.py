"""What was measured, and how it is shown."""

import statistics
import sys


class Unmeasured(Exception):
    """Why a number could not be had."""


def say(message):
    print(f"benchmark: {message}", file=sys.stderr, flush=True)


class Numbers:
    """What was measured, in the order of the table."""

    def __init__(self, rounds):
        self.asked_rounds, self.rows, self.goals = rounds, [], []

    def measure(self, part, rounds, subjects, function, units, versus=None, notes=None):
        """Has `function(subject)` give {metric: value} for each of `subjects` in turn, round after round."""
        rounds = self.asked_rounds or rounds
        found = {subject: [] for subject in subjects}
        for number in range(1, rounds + 1):
            say(f"{part}: {', '.join(subjects)}: round {number} of {rounds}")
            for subject in subjects:
                found[subject].append(function(subject))
        for metric, unit in units.items():
            for subject in subjects:
                values = [values[metric] for values in found[subject]]
                self.rows.append({"part": part, "metric": metric, "subject": subject, "unit": unit,
                                  "median": statistics.median(values), "values": values, "versus": versus,
                                  "note": (notes or {}).get(subject, "")})

    def goal(self, part, metric, subject, versus, at_most):
        """What a number should come to: as a ratio to that of `versus`, or by itself."""
        own, peer = self.median(part, metric, subject), self.median(part, metric, versus)
        if own is not None and (peer or versus is None):
            self.goals.append({"part": part, "metric": metric, "subject": subject, "versus": versus,
                               "at_most": at_most, "measured": own / peer if versus else own})

    def median(self, part, metric, subject):
        same = (part, metric, subject)
        found = [row["median"] for row in self.rows if (row["part"], row["metric"], row["subject"]) == same]
        return found[0] if found else None

    def ratio(self, row):
        peer = self.median(row["part"], row["metric"], row["versus"])
        return row["median"] / peer if peer else None

    def goals_table(self):
        lines = [("goal", "at most", "measured", "")]
        for goal in self.goals:
            versus = f" ÷ {goal['versus']}" if goal["versus"] else ""
            reached = "" if goal["measured"] <= goal["at_most"] else "not reached"
            lines.append((f"{goal['part']}: {goal['metric']} of {goal['subject']}{versus}", f"{goal['at_most']:.3g}",
                          f"{goal['measured']:.3g}", reached))
        return aligned(lines, "<>><")

    def table(self):
        def shown(value):
            return f"{value:.3g}" if value < 100 else f"{value:.0f}"

        lines = [("part", "what", "subject", "note", "median", "", "least", "most", "ratio")]
        for row in self.rows:
            ratio = self.ratio(row)
            lines.append((row["part"], row["metric"], row["subject"], row["note"], shown(row["median"]), row["unit"],
                          shown(min(row["values"])), shown(max(row["values"])), f"{ratio:.2f}" if ratio else ""))
        return aligned(lines, "<<<<><>>>")


def aligned(lines, directions):
    widths = [max(map(len, column)) for column in zip(*lines)]
    return "\n".join("  ".join(f"{cell:{to}{width}}" for cell, to, width in zip(line, directions, widths)).rstrip()
                     for line in lines)
