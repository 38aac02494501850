using System.Globalization;
using System.Text.Json.Serialization;
using MimicD.Contracts;

namespace MimicD.Agents;

/// <summary>How a network stands for a distribution over plans: what it is trained to answer, and how a plan is made of its answer.</summary>
[JsonConverter(typeof(JsonStringEnumConverter<MethodKind>))]
public enum MethodKind
{
    /// <summary>Denoising diffusion in the form of Karras et al. 2022 (EDM), which MIMIC-D uses: <see cref="EdmSampler"/>.</summary>
    [JsonStringEnumMemberName("diffusion")]
    Diffusion,

    /// <summary>Conditional flow matching along straight lines (Lipman et al. 2023, Liu et al. 2023): <see cref="FlowSampler"/>.</summary>
    [JsonStringEnumMemberName("flow")]
    Flow,

    /// <summary>Deterministic behaviour cloning, the mean plan: <see cref="CloningSampler"/>.</summary>
    [JsonStringEnumMemberName("cloning")]
    Cloning,

    /// <summary>Stochastic behaviour cloning, a mixture density over the plan (Bishop 1994): <see cref="MixtureSampler"/>.</summary>
    [JsonStringEnumMemberName("mixture")]
    Mixture,
}

/// <summary>Which options of sampling mean something to which method.</summary>
public static class MethodKinds
{
    /// <summary>Whether plans come out of an ODE, so that there is a solver with steps.</summary>
    public static bool HasSolver(this MethodKind method) => method is MethodKind.Diffusion or MethodKind.Flow;

    /// <summary>Whether plans come out of noise, so that there are a noise mode and a temperature.</summary>
    public static bool HasNoise(this MethodKind method) => method != MethodKind.Cloning;

    /// <summary>The method and those options of sampling that mean something to it, on one line.</summary>
    public static string Describe(this MethodKind method, SamplingSpec sampling)
    {
        ArgumentNullException.ThrowIfNull(sampling);
        var parts = new List<string> { Name(method) };
        if (method.HasSolver())
        {
            parts.Add($"{Name(sampling.Solver)} in {sampling.Steps} steps");
        }

        if (method.HasNoise())
        {
            parts.Add(sampling.Noise == NoiseMode.Autoregressive ? Invariant($"noise {Name(sampling.Noise)} {sampling.Correlation}") : $"noise {Name(sampling.Noise)}");
            if (sampling.Temperature != 1)
            {
                parts.Add(Invariant($"temperature {sampling.Temperature}"));
            }
        }

        if (sampling.ModeFrom == ModeSource.Seen)
        {
            parts.Add("mode by sight");
        }

        if (sampling.Guidance is not (null or 1))
        {
            parts.Add(Invariant($"guided {sampling.Guidance}"));
        }

        if (sampling.Selection is { } selection)
        {
            parts.Add($"best of {selection.Candidates}{(selection.Prediction is null ? "" : " for others who plan alike")}");
        }

        if (sampling.WarmPeriod is { } period)
        {
            parts.Add($"warm but for every {period}th plan");
        }

        parts.Add($"{sampling.Execute} executed");
        if (sampling.Projection is not null)
        {
            parts.Add("projected");
        }

        return string.Join(", ", parts);

        static string Name<T>(T value) => StrictJson.Format(value).Trim('"');
        static string Invariant(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
    }
}
