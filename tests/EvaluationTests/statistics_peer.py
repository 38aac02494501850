"""An independent computation of src/Evaluation/Statistics with SciPy and NumPy, written from the papers that its comments name.

Usage: statistics_peer.py, a request as JSON on standard input: {name: [arguments, ...]}; the answer on standard output: {name: [[numbers], ...]}.
"""
import json
import sys

import numpy as np
from scipy import optimize, special, stats


def interval(successes, trials, level, method):
    ends = stats.binomtest(successes, trials).proportion_ci(level, method)
    return [successes / trials, ends.low, ends.high]


def clopper_pearson(s, n, level):
    return interval(s, n, level, "exact")


def wilson(s, n, level):
    return interval(s, n, level, "wilson")


def difference(s1, n1, s2, n2, level):
    p1, l1, u1 = wilson(s1, n1, level)
    p2, l2, u2 = wilson(s2, n2, level)
    return [p1 - p2, p1 - p2 - np.sqrt((p1 - l1) ** 2 + (u2 - p2) ** 2), p1 - p2 + np.sqrt((u1 - p1) ** 2 + (p2 - l2) ** 2)]


def mcnemar(a, b, c, d):
    if b + c == 0:
        return [1.0, 1.0]
    exact = stats.binomtest(b, b + c, 0.5).pvalue
    outcomes = np.arange(b + c + 1)
    chance = stats.binom.pmf(outcomes, b + c, 0.5)
    far, here = abs(outcomes - (b + c) / 2), abs(b - (b + c) / 2)
    return [exact, chance[far > here].sum() + chance[far == here].sum() / 2 if b != c else 1.0]


def newcombe_paired(a, b, c, d, level):
    n = a + b + c + d
    p1, l1, u1 = wilson(a + b, n, level)
    p2, l2, u2 = wilson(a + c, n, level)
    margins = float(a + b) * (c + d) * (a + c) * (b + d)
    product = a * d - b * c
    if product > 0:
        product = max(product - n / 2, 0)
    phi = product / np.sqrt(margins) if margins > 0 else 0.0
    delta = np.sqrt((p1 - l1) ** 2 - 2 * phi * (p1 - l1) * (u2 - p2) + (u2 - p2) ** 2)
    epsilon = np.sqrt((u1 - p1) ** 2 - 2 * phi * (u1 - p1) * (p2 - l2) + (p2 - l2) ** 2)
    return [p1 - p2, p1 - p2 - delta, p1 - p2 + epsilon]


def tango(a, b, c, d, level):
    n, z = a + b + c + d, stats.norm.ppf((1 + level) / 2)
    a, b, c, d = map(np.float64, (a, b, c, d))

    def restricted(difference):
        # The likeliest share q of second-only cases, from the likelihood itself and not from a closed form of its maximum.
        low, high = max(0.0, -difference), (1 - difference) / 2

        def slope(q):
            # At the edges a term is infinite, with the right sign.
            return b / (q + difference) + c / q - 2 * (a + d) / (1 - 2 * q - difference)

        inside = low + (high - low) * 1e-15, high - (high - low) * 1e-15
        if slope(inside[0]) <= 0:
            return low
        if slope(inside[1]) >= 0:
            return high
        return optimize.brentq(slope, *inside, xtol=1e-16, rtol=1e-15)

    def score(difference):
        q = restricted(difference)
        return (b - c - n * difference) / np.sqrt(n * (2 * q + difference * (1 - difference)))

    seen, edge = (b - c) / n, 1e-13
    low = optimize.brentq(lambda v: score(v) - z, -1 + edge, seen - edge, xtol=1e-14)
    high = optimize.brentq(lambda v: score(v) + z, seen + edge, 1 - edge, xtol=1e-14)
    return [seen, low, high]


def holm(values):
    adjusted = [0.0] * len(values)
    for i, p in enumerate(values):
        # The largest of (number of values not below it) * (value) over all values up to this one.
        adjusted[i] = min(1.0, max(sum(other >= q for other in values) * q for q in values if q <= p))
    return adjusted


def student(values, level):
    low, high = stats.t.interval(level, len(values) - 1, np.mean(values), stats.sem(values))
    return [np.mean(values), low, high]


def welch(x, y, level):
    test = stats.ttest_ind(x, y, equal_var=False)
    u, v = np.var(x, ddof=1) / len(x), np.var(y, ddof=1) / len(y)
    freedom = (u + v) ** 2 / (u ** 2 / (len(x) - 1) + v ** 2 / (len(y) - 1))
    half = stats.t.ppf((1 + level) / 2, freedom) * np.sqrt(u + v)
    d = np.mean(x) - np.mean(y)
    return [d, d - half, d + half, freedom, test.pvalue]


def paired(x, y, level):
    test = stats.ttest_rel(x, y)
    return student(np.subtract(x, y), level) + [len(x) - 1, test.pvalue]


def aggregates(scores):
    scores = np.array(scores)
    return [stats.trim_mean(scores, 0.25, axis=None), scores.mean(0).mean(), np.median(scores.mean(0)), 1 - np.minimum(scores, 1).mean(), 0.9 - np.minimum(scores, 0.9).mean()]


def run_scores(scores, thresholds):
    return [(scores > t).mean() for t in thresholds]


def average_scores(scores, thresholds):
    return [(scores.mean(0) > t).mean() for t in thresholds]


def take(scores, resample):
    scores = np.array(scores)
    tasks = np.arange(scores.shape[1]) if resample["tasks"] is None else np.array(resample["tasks"])
    return scores[np.array(resample["runs"]).reshape(scores.shape), tasks[None]]


def percentiles(value, replicates, level):
    return np.stack([np.atleast_1d(value), *np.percentile(np.array(replicates).reshape(len(replicates), -1), [50 * (1 - level), 50 * (1 + level)], axis=0)], 1).ravel().tolist()


def bootstrap(scores, resamples, thresholds, level):
    scores = np.array(scores)
    taken = [take(scores, r) for r in resamples]
    out = percentiles(aggregates(scores), [aggregates(t) for t in taken], level)
    for profile in (run_scores, average_scores):
        out += percentiles(profile(scores, thresholds), [profile(t, thresholds) for t in taken], level)
    return out


def better(x, y):
    x, y = np.array(x), np.array(y)
    return np.mean([stats.mannwhitneyu(x[:, t], y[:, t], alternative="greater").statistic / (len(x) * len(y)) for t in range(x.shape[1])])


def improvement(x, y, first, second, level):
    return percentiles(better(x, y), [better(take(x, a), take(y, b)) for a, b in zip(first, second)], level)


def sequence(s, n, level, prior):
    def evidence(p):
        return special.betaln(prior + s, prior + n - s) - special.betaln(prior, prior) - special.xlogy(s, p) - special.xlog1py(n - s, -p)

    limit, seen = -np.log(1 - level), s / n
    low = 0.0 if s == 0 else optimize.brentq(lambda p: evidence(p) - limit, 1e-300, seen, xtol=1e-16, rtol=1e-15)
    high = 1.0 if s == n else optimize.brentq(lambda p: evidence(p) - limit, seen, 1 - 1e-16, xtol=1e-16, rtol=1e-15)
    return [seen, low, high]


def sprt(p0, p1, s, n):
    return [stats.binom.logpmf(s, n, p1) - stats.binom.logpmf(s, n, p0)]


def main():
    np.seterr(all="ignore")
    functions = {f.__name__: f for f in (clopper_pearson, wilson, difference, mcnemar, newcombe_paired, tango, holm, student, welch, paired, bootstrap, improvement, sequence, sprt)}
    request = json.load(sys.stdin)
    json.dump({name: [np.asarray(functions[name](*arguments), float).tolist() for arguments in cases] for name, cases in request.items()}, sys.stdout)


main()
