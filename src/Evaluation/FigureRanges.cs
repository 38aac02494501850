namespace MimicD.Evaluation;

/// <summary>What values a figure can have, by its key (<see cref="Report.FigureValues"/>): an interval says nothing beyond them.</summary>
public static class FigureRanges
{
    /// <summary>Whether a figure is a mean of shares, one an episode, and not a count of episodes: an interval of it is that of a rate, but no number of cases tells it.</summary>
    /// <param name="key">The figure's key.</param>
    public static bool IsShare(string key) => key is "agentSuccess" or "commitment";

    /// <summary>The smallest and the largest value that a figure can have: a rate, a share and a total variation lie in [0, 1], a gap has either sign, and all others are lengths, times, counts and ratios of them.</summary>
    /// <param name="key">The figure's key.</param>
    public static (double Low, double High) Of(string key)
    {
        ArgumentNullException.ThrowIfNull(key);
        return key switch
        {
            "strictSuccess" or "goalsReached" or "contested" or "contestedFailure" or "modes.totalVariation" or "modes.resamplingFloor" => (0, 1),
            "modes.entropyGap" => (double.NegativeInfinity, double.PositiveInfinity),
            _ when IsShare(key) || key.StartsWith("modes.shares.", StringComparison.Ordinal) || (key.StartsWith("collisions.", StringComparison.Ordinal) && key.EndsWith(".rate", StringComparison.Ordinal)) => (0, 1),
            _ => (0, double.PositiveInfinity),
        };
    }
}
