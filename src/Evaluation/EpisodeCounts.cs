using System.Globalization;

namespace MimicD.Evaluation;

/// <summary>How many episodes figures are of, in the words of every table: a rate of few that count, or of episodes in which agents did not act, is not to be read as one of all of them.</summary>
/// <param name="Episodes">Episodes (E).</param>
/// <param name="Distinct">Those that differ from each other, which intervals are of; null where it is not known.</param>
/// <param name="Starts">Starts and goals that differ from each other; null where it is not known.</param>
/// <param name="Intact">Episodes in which every action was the agents' own; null where it is not known.</param>
/// <param name="Faulty">Whether the world replaced actions or agents stopped.</param>
public sealed record EpisodeCounts(int Episodes, int? Distinct, int? Starts, int? Intact, bool Faulty)
{
    /// <summary>Stands before what is marked.</summary>
    public const string Mark = "!";

    /// <summary>What the mark means, for below a table.</summary>
    public const string Legend = "! agents stopped, were late or gave no action that could be applied, and the scenario's fallback acted for them; rates are of all episodes, with fault or without";

    /// <summary>Whether no episode is without fault: what the figures show is the fallback, not the agents.</summary>
    public bool Lost => Faulty && Intact == 0;

    /// <summary>The counts of figures.</summary>
    public static EpisodeCounts Of(Figures figures)
    {
        ArgumentNullException.ThrowIfNull(figures);
        return new EpisodeCounts(figures.Episodes, figures.DistinctEpisodes, figures.DistinctStarts, figures.Faults is { } f ? figures.Episodes - f.Episodes : null, figures.Faults is { Actions: > 0 });
    }

    /// <summary>The counts of several sets of episodes together.</summary>
    public EpisodeCounts Plus(EpisodeCounts other)
    {
        ArgumentNullException.ThrowIfNull(other);
        return new EpisodeCounts(Episodes + other.Episodes, Distinct + other.Distinct, Starts is null || other.Starts is null ? null : Math.Max(Starts.Value, other.Starts.Value), Intact + other.Intact, Faulty || other.Faulty);
    }

    /// <summary>As in <c>1,000</c>, <c>20, 1 distinct</c>, <c>! 20, 3 without fault</c>.</summary>
    public override string ToString()
    {
        var text = string.Create(CultureInfo.InvariantCulture, $"{(Faulty ? Mark + " " : "")}{Episodes:N0}");
        if (Distinct < Episodes)
        {
            text += string.Create(CultureInfo.InvariantCulture, $", {Distinct:N0} distinct");
        }

        return !Faulty ? text : Intact is { } intact ? string.Create(CultureInfo.InvariantCulture, $"{text}, {intact:N0} without fault") : text + ", with faults";
    }
}
