namespace MimicD.Contracts;

/// <summary>Which known word somebody meant who wrote one that is not known.</summary>
public static class Suggestion
{
    /// <summary>The nearest known word, as the end of a message: <c> (did you mean 'road'?)</c>; empty where none is near.</summary>
    /// <param name="word">What was written.</param>
    /// <param name="known">The words there are.</param>
    public static string For(string word, IEnumerable<string> known)
        => Nearest(word, known) is { } nearest ? $" (did you mean '{nearest}'?)" : "";

    /// <summary>The nearest known word, or null where none is near: at most one change in three letters, and at least one.</summary>
    /// <param name="word">What was written.</param>
    /// <param name="known">The words there are.</param>
    public static string? Nearest(string word, IEnumerable<string> known)
    {
        ArgumentNullException.ThrowIfNull(word);
        ArgumentNullException.ThrowIfNull(known);
        var nearest = known.Where(k => k != word)
            .Select(k => (Word: k, Distance: string.Equals(k, word, StringComparison.OrdinalIgnoreCase) ? 0 : Distance(word, k)))
            .OrderBy(k => k.Distance).ThenBy(k => k.Word, StringComparer.Ordinal).FirstOrDefault();
        return nearest.Word is not null && nearest.Distance <= Math.Max(1, Math.Min(word.TrimStart('-').Length, nearest.Word.TrimStart('-').Length) / 3) ? nearest.Word : null;
    }

    /// <summary>Letters that have to be put in, taken out, replaced or swapped with their neighbour to come from one word to the other (optimal string alignment).</summary>
    /// <param name="a">One word.</param>
    /// <param name="b">The other.</param>
    public static int Distance(string a, string b)
    {
        ArgumentNullException.ThrowIfNull(a);
        ArgumentNullException.ThrowIfNull(b);
        // Nobody misspells a word by so much; and what is compared may come from a file of any size.
        const int longest = 64;
        if (a.Length > longest || b.Length > longest)
        {
            return Math.Max(a.Length, b.Length);
        }

        var distance = new int[a.Length + 1, b.Length + 1];
        for (var i = 0; i <= a.Length; i++)
        {
            for (var j = 0; j <= b.Length; j++)
            {
                if (i == 0 || j == 0)
                {
                    distance[i, j] = i + j;
                    continue;
                }

                var change = distance[i - 1, j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
                distance[i, j] = Math.Min(change, 1 + Math.Min(distance[i - 1, j], distance[i, j - 1]));
                if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                {
                    distance[i, j] = Math.Min(distance[i, j], distance[i - 2, j - 2] + 1);
                }
            }
        }

        return distance[a.Length, b.Length];
    }
}
