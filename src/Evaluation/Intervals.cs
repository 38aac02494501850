using System.Text.Json;
using System.Text.Json.Serialization;

namespace MimicD.Evaluation;

/// <summary>An estimate with its interval, 95 % where nothing else is said. An interval that is not known, as that of one value alone, is unbounded; JSON and tables show none then.</summary>
/// <param name="Value">The estimate.</param>
/// <param name="Low">Lower end.</param>
/// <param name="High">Upper end.</param>
[JsonConverter(typeof(EstimateConverter))]
public readonly record struct Estimate(double Value, double Low, double High)
{
    /// <summary>Whether both ends are known.</summary>
    public bool IsKnown => double.IsFinite(Low) && double.IsFinite(High);

    /// <summary>A value of whose uncertainty nothing is known.</summary>
    public static Estimate Unknown(double value) => new(value, double.NegativeInfinity, double.PositiveInfinity);

    /// <summary>The same without what the quantity cannot be: its ends are moved into [low, high]. What holds the true value keeps it. An interval that is not known stays so.</summary>
    /// <param name="low">Smallest value that the quantity can have.</param>
    /// <param name="high">Largest value that it can have.</param>
    public Estimate Within(double low, double high) => IsKnown ? this with { Low = Math.Clamp(Low, low, high), High = Math.Clamp(High, low, high) } : this;

    /// <summary>The smallest interval that holds this one, another, and the value; of an interval that is not known the other is taken.</summary>
    /// <param name="other">Of the same quantity.</param>
    public Estimate NeverInside(Estimate other) => new Estimate(Value, (IsKnown, other.IsKnown) switch
    {
        (true, true) => Math.Min(Low, other.Low),
        (false, true) => other.Low,
        _ => Low,
    }, (IsKnown, other.IsKnown) switch
    {
        (true, true) => Math.Max(High, other.High),
        (false, true) => other.High,
        _ => High,
    }).Holding();

    /// <summary>The same, widened where it leaves out its own value.</summary>
    public Estimate Holding() => double.IsNaN(Value) ? this : this with { Low = Math.Min(Low, Value), High = Math.Max(High, Value) };
}

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
    private const double Level = 0.95;

    // Values that differ by less, as a share of the largest, are the same but for rounding.
    private const double Rounding = 1e-9;

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

    /// <summary>Mean of shares of an episode's units, see <see cref="RateIntervals.Clustered(IReadOnlyCollection{double}, int, double)"/>.</summary>
    /// <param name="shares">One share an episode, each in [0, 1].</param>
    /// <param name="units">Units of an episode, such as its agents; <see cref="int.MaxValue"/> where a share is no count of anything.</param>
    public static Estimate Share(IReadOnlyCollection<double> shares, int units) => RateIntervals.Clustered(shares, units, Level);

    /// <summary>
    /// Mean with Student's interval (<see cref="SeedMeans.Student"/>), mean +- t s / sqrt(n), s the sample deviation, t the 97.5 % point with n - 1 degrees of freedom, within what the quantity can be. Of one value
    /// alone the interval is not known.
    /// </summary>
    /// <param name="values">Independent values.</param>
    /// <param name="low">Smallest value that there can be; 0 for a length, a time or a count.</param>
    /// <param name="step">
    /// What the values are multiples of, where they are. Such values are often all alike, and then have no deviation although the next one may differ: the mean is taken as uncertain by one step in as large a share of
    /// values as <see cref="Wilson"/> allows for what was never seen. 0 where values are continuous.
    /// </param>
    public static Estimate Mean(IReadOnlyCollection<double> values, double low = double.NegativeInfinity, double step = 0)
    {
        ArgumentNullException.ThrowIfNull(values);
        var student = SeedMeans.Student(values, Level);
        if (values.Count > 1 && values.Max() - values.Min() <= Rounding * values.Max(v => Math.Abs(v)))
        {
            var half = step * Wilson(0, values.Count).High;
            student = new Estimate(student.Value, student.Value - half, student.Value + half);
        }

        return student.Within(low, double.PositiveInfinity).Holding();
    }
}
