using System.Globalization;
using MimicD.Evaluation;
using Spectre.Console;

namespace MimicD.Cli;

/// <summary>Shows figures as a table: the rollouts' value, its 95 % interval, and the demonstrations' own.</summary>
internal static class FiguresTable
{
    public static Table Create(Figures figures, Baseline? baseline)
    {
        var table = Terminal.Table("", "value", "95 % interval", baseline is null ? "experts" : $"{baseline.Count} experts");
        var experts = baseline?.Figures;
        Rate("strict success", figures.StrictSuccess, experts?.StrictSuccess);
        Rate("goals reached", figures.GoalsReached, experts?.GoalsReached);
        foreach (var (index, collision) in figures.Collisions.Index())
        {
            var limit = collision.Obstacle is { } o ? $"pair < {Short(collision.Pair)} or obstacle < {Short(o)}" : $"pair < {Short(collision.Pair)}";
            Rate($"collision: {collision.Name} ({limit})", collision.Rate, experts?.Collisions[index].Rate);
        }

        if (figures.MinimumPairDistance is { } pair)
        {
            Number("smallest pair distance, mean [m]", pair, experts?.MinimumPairDistance);
        }

        if (figures.Contested is { } contested)
        {
            Rate("contested", contested, experts?.Contested);
            if (figures.ContestedFailure is { } failure)
            {
                Rate("contested failure", failure, experts?.ContestedFailure);
            }
        }

        foreach (var (index, share) in figures.Modes?.Shares.Index() ?? [])
        {
            table.Row($"mode {index + 1}: {figures.Modes!.Names[index]}", Percent(share.Value), Interval(share, Percent), baseline?.ModeShares is { } s && index < s.Length ? Percent(s[index]) : "");
        }

        if (figures.Modes?.TotalVariation is { } variation)
        {
            table.Row("mode total variation (95 % of chance alone beside it)", Fixed(variation), "", string.Create(CultureInfo.InvariantCulture, $"chance: {figures.Modes.ResamplingFloor:0.000}"));
        }

        if (figures is { SecondRatio: { } second, ThirdRatio: { } third })
        {
            Number("roughness, second difference, ratio", second, null, "1");
            Number("roughness, third difference, ratio", third, null, "1");
        }
        else
        {
            Number("second difference [m]", figures.SecondDifference, experts?.SecondDifference);
            Number("third difference [m]", figures.ThirdDifference, experts?.ThirdDifference);
        }

        table.Row("largest step [m]", Fixed(figures.LargestStep), "", experts is null ? "" : Fixed(experts.LargestStep));
        return table;

        void Rate(string name, Estimate value, Estimate? expert) => table.Row(name, Percent(value.Value), Interval(value, Percent), expert is { } e ? Percent(e.Value) : "");

        void Number(string name, Estimate value, Estimate? expert, string text = "") => table.Row(name, Fixed(value.Value), Interval(value, Fixed), expert is { } e ? Fixed(e.Value) : text);
    }

    private static string Interval(Estimate value, Func<double, string> format) => double.IsFinite(value.Low) ? $"{format(value.Low)} to {format(value.High)}" : "";

    private static string Percent(double value) => (100 * value).ToString("0.0", CultureInfo.InvariantCulture) + " %";

    private static string Fixed(double value) => value.ToString("0.000", CultureInfo.InvariantCulture);

    private static string Short(double value) => value.ToString("0.###", CultureInfo.InvariantCulture);
}
