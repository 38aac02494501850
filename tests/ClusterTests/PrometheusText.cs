using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;

namespace MimicD.ClusterTests;

/// <summary>Reads Prometheus text, format 0.0.4, strictly: a family is said what it is before its samples, once, and they stand together.</summary>
internal sealed partial class PrometheusText
{
    private readonly Dictionary<string, double> _samples = new(StringComparer.Ordinal);

    private PrometheusText()
    {
    }

    /// <summary>Families with their types.</summary>
    public Dictionary<string, string> Types { get; } = new(StringComparer.Ordinal);

    /// <summary>Samples as they are written, labels and all, without the values.</summary>
    public IEnumerable<string> Names => _samples.Keys;

    public double this[string sample] => _samples[sample];

    public static PrometheusText Parse(string text)
    {
        Assert.EndsWith("\n", text, StringComparison.Ordinal);
        var found = new PrometheusText();
        var (family, helped) = ("", "");
        foreach (var line in text.Split('\n', StringSplitOptions.RemoveEmptyEntries))
        {
            if (line.StartsWith("# HELP ", StringComparison.Ordinal))
            {
                var parts = line.Split(' ', 4);
                Assert.True(parts.Length == 4 && parts[3].Length > 0, $"nothing is said in: {line}");
                helped = parts[2];
            }
            else if (line.StartsWith("# TYPE ", StringComparison.Ordinal))
            {
                var parts = line.Split(' ');
                Assert.Equal(helped, parts[2]);
                Assert.Contains(parts[3], new[] { "counter", "gauge" });
                Assert.True(found.Types.TryAdd(parts[2], parts[3]), $"{parts[2]} is there twice");
                Assert.Equal(parts[3] == "counter", parts[2].EndsWith("_total", StringComparison.Ordinal));
                family = parts[2];
            }
            else
            {
                var sample = Sample().Match(line);
                Assert.True(sample.Success, $"no sample: {line}");
                Assert.Equal(family, sample.Groups["name"].Value);
                var name = sample.Groups["name"].Value + Unescaped(sample.Groups["labels"].Value);
                Assert.True(found._samples.TryAdd(name, double.Parse(sample.Groups["value"].Value, NumberStyles.Float, CultureInfo.InvariantCulture)), $"{name} is there twice");
            }
        }

        return found;
    }

    private static string Unescaped(string labels)
    {
        var text = new StringBuilder();
        for (var i = 0; i < labels.Length; i++)
        {
            text.Append(labels[i] != '\\' ? labels[i] : labels[++i] == 'n' ? '\n' : labels[i]);
        }

        return text.ToString();
    }

    [GeneratedRegex("""^(?<name>[a-zA-Z_:][a-zA-Z0-9_:]*)(?<labels>\{[a-zA-Z_][a-zA-Z0-9_]*="([^"\\]|\\[\\"n])*"(,[a-zA-Z_][a-zA-Z0-9_]*="([^"\\]|\\[\\"n])*")*\})? (?<value>[-+0-9.eE]+|NaN|[+-]Inf)$""", RegexOptions.ExplicitCapture, 1000)]
    private static partial Regex Sample();
}
