using MimicD.Contracts;

namespace MimicD.Agents;

/// <summary>Adds up what agents' policies counted as unfamiliar; agents of one policy share its names, which are looked at once.</summary>
public sealed class Familiarity
{
    private readonly Dictionary<IReadOnlyList<string>, long[]> _counts = new(ReferenceEqualityComparer.Instance);
    private long _observations;

    /// <summary>Takes in what one agent counted.</summary>
    /// <param name="features">Its policy's <see cref="IPolicy.TrainedFeatures"/>.</param>
    /// <param name="counts">What it has done.</param>
    public void Add(IReadOnlyList<string> features, AgentCounts counts)
    {
        ArgumentNullException.ThrowIfNull(features);
        var own = counts.Unfamiliar.Span;
        if (own.Length != features.Count + 1)
        {
            return;
        }

        if (!_counts.TryGetValue(features, out var sum))
        {
            _counts.Add(features, sum = new long[own.Length]);
        }

        _observations += counts.Plans;
        for (var i = 0; i < own.Length; i++)
        {
            sum[i] += own[i];
        }
    }

    /// <summary>The sum, or null where no policy counts.</summary>
    public FamiliarityCounts? Counts()
    {
        if (_counts.Count == 0)
        {
            return null;
        }

        var features = new SortedDictionary<string, long>(StringComparer.Ordinal);
        var unfamiliar = 0L;
        foreach (var (names, counts) in _counts)
        {
            unfamiliar += counts[^1];
            foreach (var (i, name) in names.Index())
            {
                if (counts[i] > 0)
                {
                    features[name] = features.GetValueOrDefault(name) + counts[i];
                }
            }
        }

        return new FamiliarityCounts(_observations, unfamiliar, features);
    }
}
