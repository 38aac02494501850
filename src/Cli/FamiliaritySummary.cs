using MimicD.Contracts;

namespace MimicD.Cli;

/// <summary>How much of what agents saw is unlike all that their model was trained on, as results have it.</summary>
/// <param name="Deviations">Standard deviations from the mean in training, beyond which a number counts.</param>
/// <param name="Observations">Observations compared, one a plan.</param>
/// <param name="Unfamiliar">Share of them with at least one such number, 0 to 1.</param>
/// <param name="Features">The same share of each number; those that never were are left out.</param>
internal sealed record FamiliaritySummary(double Deviations, long Observations, double Unfamiliar, IReadOnlyDictionary<string, double> Features)
{
    public static FamiliaritySummary? Of(AgentHostReport report)
        => report.Familiarity is not { } counts ? null
            : new FamiliaritySummary(FamiliarityCounts.Deviations, counts.Observations, counts.Share(), counts.Features.ToDictionary(f => f.Key, f => f.Value / (double)Math.Max(1, counts.Observations), StringComparer.Ordinal));

    /// <summary>Says so on standard error where the share is high.</summary>
    public static void Warn(AgentHostReport report)
    {
        if (report.Familiarity?.Warning() is { } warning)
        {
            Console.Error.WriteLine($"mimicd: warning: {warning}");
        }
    }
}
