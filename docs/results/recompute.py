#!/usr/bin/env python3
"""Computes the figures of an archive and their intervals again, from what happened in each of its episodes, by the definitions of docs/metrics.md and with nothing but Python's own library.

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


def student(degrees):
    """97.5 % point of Student's t distribution: bisection on its tail, half of the regularised incomplete beta function."""
    low, high = 0.0, 1e3
    while high - low > 1e-12 * max(1.0, low):
        middle = (low + high) / 2
        low, high = (middle, high) if beta(degrees / (degrees + middle * middle), degrees / 2, 0.5) / 2 > 0.025 else (low, middle)
    return (low + high) / 2


def beta(x, a, b):
    """Regularised incomplete beta function, by its continued fraction (Abramowitz and Stegun 26.5.8, evaluated by Lentz's method)."""
    if x > (a + 1) / (a + b + 2):
        return 1 - beta(1 - x, b, a)
    front = math.exp(a * math.log(x) + b * math.log1p(-x) + math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b)) / a
    c, d = 1.0, 1 / (1 - (a + b) * x / (a + 1))
    value = d
    for m in range(1, 1000):
        for term in (m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)), -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))):
            d, c = 1 / (1 + term * d), 1 + term / c
            value *= c * d
        if abs(c * d - 1) < 1e-15:
            break
    return front * value


def mean(values, step=0.0):
    """Mean of lengths, times or counts with Student's interval: value, low, high; None where one value alone tells nothing of a spread."""
    count, value = len(values), sum(values) / len(values)
    if count == 1:
        return value, None, None
    if max(values) - min(values) <= LEFT_OUT * max(values):  # whole steps that are all alike: one step in as many as can have gone unseen
        half = step * wilson(0, count)[2]
    else:
        half = student(count - 1) * math.sqrt(sum((v - value) ** 2 for v in values) / (count - 1) / count)
    return value, max(0.0, value - half), value + half


def share(values, units):
    """Mean of shares of the units of an episode: Wilson's interval of as many independent cases as are as uncertain, by the spread between episodes."""
    count = len(values)
    # Seven digits of a share of few units tell which it is.
    values = [round(v * units) / units for v in values] if units < 1e5 else values
    value = sum(values) / count
    cases = count
    if units > 1 and count > 1 and 0 < value < 1:
        cases = count * min(units, max(1, min(sum(v < 1 for v in values), sum(v > 0 for v in values))))
        variance = sum((v - value) ** 2 for v in values) / (count - 1) / count
        if variance > 0:
            cases = min(cases, value * (1 - value) / variance * (Z / student(count - 1)) ** 2)
    return wilson(value * cases, cases)


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
    means = {name: mean(episodes[name]) for name in ("secondDifference", "thirdDifference", "pathLength")}
    agents = int(episodes["agents"][0])
    if agents > 1:
        means["minimumPairDistance"] = mean(episodes["pairDistance"])
    if "modeSwitches" in episodes:
        means["modeSwitches"] = mean(episodes["modeSwitches"], 1.0)
    if "agentSuccess" in episodes:
        means["agentSuccess"] = share(episodes["agentSuccess"], agents)
    defined = {name: [v for v in episodes.get(name, ()) if v is not None] for name in ("timeToGoal", "commitment")}
    if defined["timeToGoal"]:
        means["timeToGoal"] = mean(defined["timeToGoal"], scenario["timeStep"] / agents)
    if defined["commitment"]:
        means["commitment"] = share(defined["commitment"], 1 << 31)
    return rates, means, max(episodes["largestStep"])


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
    names = ("secondDifference", "thirdDifference", "pathLength", "minimumPairDistance", "modeSwitches", "agentSuccess", "timeToGoal", "commitment")
    return rates, {name: figures[name] for name in names if figures.get(name)}, figures["largestStep"]


def same(found, expected, scale=0.0):
    """Whether two numbers are the same to the digits that episodes are stored with."""
    return found == expected if found is None or expected is None else abs(found - expected) <= LEFT_OUT * max(1e-3, abs(expected), scale)


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
        rates, means, step = recompute(read(os.path.join(folder, cell["outcomes"])), scenario)
        expected_rates, expected_means, expected_step = stored(cell["figures"])
        differences = []
        for name, expected in expected_rates.items():
            successes, trials = rates.get(name, (0, cell["episodes"]))
            found = wilson(successes, trials)
            for end, value in zip(("value", "low", "high"), found):
                if abs(value - expected[end]) > 1e-9:
                    differences.append("%s, %s: stored %.12g, found %.12g" % (name, end, expected[end], value))
        for name, expected in expected_means.items():
            for end, value in zip(("value", "low", "high"), means[name]):
                if not same(value, expected[end], abs(expected["value"])):
                    differences.append("%s, %s: stored %s, found %s" % (name, end, expected[end], value))
        if not same(step, expected_step):
            differences.append("largestStep: stored %.12g, found %.12g" % (expected_step, step))
        success = wilson(*rates["strictSuccess"])
        print("%s: strict success %.1f %% (%.1f to %.1f), %s" % ((label,) + tuple(100 * v for v in success) + ("; ".join(differences) or "all as stored",)))
        wrong += bool(differences)
    return wrong


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    sys.exit(1 if sum([check(folder) for folder in sys.argv[1:]]) else 0)
