#!/usr/bin/env python3
"""Computes the figures of an archive again, from what happened in each of its episodes, by the definitions of docs/metrics.md and with nothing but Python's own library.

Usage: python3 docs/results/recompute.py docs/results/paper [...]

Prints a line a cell and says where a stored figure differs; the exit code is 1 if one does.
"""
import csv
import gzip
import json
import math
import os
import sys

Z = 1.959963984540054  # 97.5 % point of the standard normal distribution
LEFT_OUT = 1e-6  # episodes are stored with seven digits


def wilson(successes, trials):
    """Wilson's 95 % score interval of a rate: value, low, high."""
    p, z2 = successes / trials, Z * Z
    middle = (p + z2 / (2 * trials)) / (1 + z2 / trials)
    half = Z * math.sqrt(p * (1 - p) / trials + z2 / (4 * trials * trials)) / (1 + z2 / trials)
    return p, max(0.0, middle - half), min(1.0, middle + half)


def read(path):
    """Columns of outcomes.csv.gz, without episodes that are copies of another; an empty field is None."""
    with gzip.open(path, "rt", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row.get("sameAs") in (None, "", row["episode"])]
    return {name: [float(row[name]) if row[name] else None for row in rows] for name in rows[0]}


def recompute(episodes, scenario):
    """Rates (as counts of counts) and means of one cell."""
    count = len(episodes["episode"])
    obstacles = [values for name, values in episodes.items() if name.startswith("obstacleDistance")]

    def collided(limit):
        return [
            (episodes["pairDistance"][e] is not None and episodes["pairDistance"][e] < limit["pair"])
            or (limit.get("obstacle") is not None and any(o[e] < limit["obstacle"] for o in obstacles))
            for e in range(count)
        ]

    arrived = [d <= scenario["goalTolerance"] for d in episodes["finalToGoal"]]
    limits = {limit["name"]: limit for limit in scenario["collision"]["limits"]}
    contact = limits[scenario["collision"]["contact"]]
    hit = collided(contact)
    rates = {
        "strictSuccess": (sum(a and not h for a, h in zip(arrived, hit)), count),
        "goalsReached": (sum(arrived), count),
    }
    for name, limit in limits.items():
        rates["collision " + name] = (sum(collided(limit)), count)
    if "contested" in episodes:
        contested = [c == 1 for c in episodes["contested"]]
        rates["contested"] = (sum(contested), count)
        if any(contested):
            pair = [episodes["pairDistance"][e] is not None and episodes["pairDistance"][e] < contact["pair"] for e in range(count)]
            rates["contestedFailure"] = (sum(c and p for c, p in zip(contested, pair)), sum(contested))
    if "mode" in episodes:
        for mode in sorted(set(episodes["mode"])):
            rates["mode %d" % mode] = (episodes["mode"].count(mode), count)
    means = {name: sum(episodes[name]) / count for name in ("secondDifference", "thirdDifference", "pathLength")}
    means["largestStep"] = max(episodes["largestStep"])
    return rates, means


def stored(figures):
    """The stored figures under the same names."""
    rates = {"strictSuccess": figures["strictSuccess"], "goalsReached": figures["goalsReached"]}
    for collision in figures["collisions"]:
        rates["collision " + collision["name"]] = collision["rate"]
    for name in ("contested", "contestedFailure"):
        if figures.get(name):
            rates[name] = figures[name]
    if figures.get("modes"):
        for index, share in enumerate(figures["modes"]["shares"]):
            rates["mode %d" % (index + 1)] = share
        # Episodes that show no mode; archives from before there were such say nothing of them.
        if figures["modes"].get("unresolved"):
            rates["mode 0"] = figures["modes"]["unresolved"]
    means = {name: figures[name]["value"] for name in ("secondDifference", "thirdDifference", "pathLength")}
    means["largestStep"] = figures["largestStep"]
    return rates, means


def check(folder):
    wrong = 0
    with open(os.path.join(folder, "cells.jsonl"), encoding="utf-8") as lines:
        cells = [json.loads(line) for line in lines]
    for cell in cells:
        label = ", ".join("%s %s" % item for item in cell["axes"].items())
        if not cell.get("figures"):
            print("%s: no figures: %s" % (label, cell.get("error")))
            continue
        with open(os.path.join(folder, cell["scenarioFile"]), encoding="utf-8") as file:
            scenario = json.load(file)
        rates, means = recompute(read(os.path.join(folder, cell["outcomes"])), scenario)
        expected_rates, expected_means = stored(cell["figures"])
        differences = []
        for name, expected in expected_rates.items():
            successes, trials = rates.get(name, (0, cell["episodes"]))
            found = wilson(successes, trials)
            # Mode shares are quoted with intervals for all of them together; there the rate alone is compared.
            ends = ("value",) if name.startswith("mode ") else ("value", "low", "high")
            for end, value in zip(ends, found):
                if abs(value - expected[end]) > 1e-9:
                    differences.append("%s, %s: stored %.12g, found %.12g" % (name, end, expected[end], value))
        for name, expected in expected_means.items():
            if abs(means[name] - expected) > LEFT_OUT * max(1e-3, abs(expected)):
                differences.append("%s: stored %.12g, found %.12g" % (name, expected, means[name]))
        success = wilson(*rates["strictSuccess"])
        print("%s: strict success %.1f %% (%.1f to %.1f), %s" % ((label,) + tuple(100 * v for v in success) + ("; ".join(differences) or "all as stored",)))
        wrong += bool(differences)
    return wrong


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    sys.exit(1 if sum([check(folder) for folder in sys.argv[1:]]) else 0)
