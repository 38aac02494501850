using System.Text.Json;
using System.Text.Json.Serialization;

namespace MimicD.Evaluation;

/// <summary>An estimate with its interval, 95 % where nothing else is said.</summary>
/// <param name="Value">The estimate.</param>
/// <param name="Low">Lower end.</param>
/// <param name="High">Upper end.</param>
[JsonConverter(typeof(EstimateConverter))]
public readonly record struct Estimate(double Value, double Low, double High);

/// <summary>Writes an estimate as <c>{"value": v, "low": l, "high": h}</c>; what is not finite is null, which JSON has no number for.</summary>
public sealed class EstimateConverter : JsonConverter<Estimate>
{
    /// <inheritdoc/>
    public override Estimate Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options)
    {
        var parts = JsonSerializer.Deserialize<Dictionary<string, double?>>(ref reader, options) ?? throw new JsonException("expected an estimate");
        double Part(string name) => parts.TryGetValue(name, out var v) ? v ?? double.NaN : throw new JsonException($"expected '{name}'");
        return new Estimate(Part("value"), Part("low"), Part("high"));
    }

    /// <inheritdoc/>
    public override void Write(Utf8JsonWriter writer, Estimate value, JsonSerializerOptions options)
    {
        ArgumentNullException.ThrowIfNull(writer);
        writer.WriteStartObject();
        Part("value", value.Value);
        Part("low", value.Low);
        Part("high", value.High);
        writer.WriteEndObject();

        void Part(string name, double number)
        {
            if (double.IsFinite(number))
            {
                writer.WriteNumber(name, number);
            }
            else
            {
                writer.WriteNull(name);
            }
        }
    }
}

/// <summary>95 % intervals of rates and of means.</summary>
public static class Intervals
{
    // The 97.5 % point of the standard normal distribution.
    private const double Z = 1.959963984540054;

    /// <summary>Score interval of a rate (Wilson 1927, "Probable inference, the law of succession, and statistical inference", JASA 22).</summary>
    /// <param name="successes">Cases in which it happened, 0 to <paramref name="trials"/>.</param>
    /// <param name="trials">Independent cases. Of none nothing is known: the value is NaN and the interval [0, 1].</param>
    public static Estimate Wilson(int successes, int trials) => RateIntervals.Wilson(successes, trials);

    /// <summary>Share of true values with its <see cref="Wilson"/> interval.</summary>
    public static Estimate Rate(IReadOnlyCollection<bool> happened)
    {
        ArgumentNullException.ThrowIfNull(happened);
        return Wilson(happened.Count(h => h), happened.Count);
    }

    /// <summary>Mean with the normal interval, mean +- 1.96 s / sqrt(n), s the sample deviation. Good for tens of values and more; of one value alone the interval is unbounded.</summary>
    public static Estimate Mean(IReadOnlyCollection<double> values)
    {
        ArgumentNullException.ThrowIfNull(values);
        if (values.Count == 0)
        {
            return new Estimate(double.NaN, double.NegativeInfinity, double.PositiveInfinity);
        }

        var mean = values.Average();
        var half = values.Count == 1 ? double.PositiveInfinity : Z * Math.Sqrt(values.Sum(v => (v - mean) * (v - mean)) / (values.Count - 1) / values.Count);
        return new Estimate(mean, mean - half, mean + half);
    }
}
