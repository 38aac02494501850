using System.CommandLine;
using System.Globalization;
using MimicD.Evaluation;
using Spectre.Console;

namespace MimicD.Cli;

/// <summary>Shows figures as a table: the rollouts' value, its 95 % interval, and the demonstrations' own.</summary>
internal static class FiguresTable
{
    /// <summary>The option that asks for all rows.</summary>
    public static Option<bool> Full() => new("--full") { Description = "Show every figure, not only the headline ones." };

    /// <param name="figures">What is shown.</param>
    /// <param name="baseline">What it is compared with, or null.</param>
    /// <param name="full">All rows, or the headline ones.</param>
    public static Table Create(Figures figures, Baseline? baseline, bool full)
    {
        var table = Terminal.Table("", "value", "95 % interval", baseline is null ? "experts" : $"{baseline.Count} experts");
        var experts = baseline?.Figures;
        Counts();
        Rate("strict success", figures.StrictSuccess, experts?.StrictSuccess);
        Rate("goals reached", figures.GoalsReached, experts?.GoalsReached);
        if (figures.AgentSuccess is { } each)
        {
            Rate("strict success, agent by agent", each, experts?.AgentSuccess);
        }

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

        // Demonstrations that were labelled by another rule have no value beside these.
        var theirs = figures.Modes is { ComparedBy: null, TotalVariation: not null } ? baseline?.ModeShares ?? [] : [];
        foreach (var (index, share) in figures.Modes?.Shares.Index() ?? [])
        {
            table.Row($"{(figures.Faults is { Actions: > 0 } ? EpisodeCounts.Mark + " " : "")}mode {index + 1}: {figures.Modes!.Names[index]}", Percent(share.Value), Interval(share, Percent), index < theirs.Length ? Percent(theirs[index]) : "");
        }

        if (figures.Modes?.Unresolved is { } none && (none.Value > 0 || (theirs.Length > 0 && ModeShares.Unresolved(theirs))))
        {
            var without = theirs.Length > 0 ? Percent(ModeShares.WithUnresolved(theirs)[^1]) : "";
            table.Row(World.JointModes.UnresolvedName, Percent(none.Value), Interval(none, Percent), without);
        }

        if (figures.Modes?.TotalVariation is { } variation)
        {
            var by = figures.Modes.ComparedBy is { } rule ? $", by the {rule} rule, by which the demonstrations were labelled" : "";
            table.Row($"mode total variation{by} (95 % of chance alone beside it)", Fixed(variation), "", $"chance: {Fixed(figures.Modes.ResamplingFloor!.Value)}");
        }

        if (full && figures.Modes is { } modes)
        {
            table.Row("mode entropy [nat]", Fixed(modes.Entropy), "", modes.EntropyGap is { } gap ? Fixed(modes.Entropy - gap) : "");
            if (modes.EntropyFloor is { } chance)
            {
                table.Row("mode entropy gap [nat] (95 % of chance alone beside it)", Fixed(modes.EntropyGap!.Value), "", $"chance: {Fixed(chance)}");
            }
        }

        if (figures.Transport is { } transport)
        {
            Transport(transport);
        }

        if (figures is { SecondRatio: { } second, ThirdRatio: { } third })
        {
            Number("roughness, second difference, ratio", second, null, "1");
            Number("roughness, third difference, ratio", third, null, "1");
        }

        if (full || figures.SecondRatio is null)
        {
            Number("second difference [m]", figures.SecondDifference, experts?.SecondDifference);
            Number("third difference [m]", figures.ThirdDifference, experts?.ThirdDifference);
        }

        if (figures.Commitment is { } commitment)
        {
            Rate("last change of joint mode, share of the way to closest approach", commitment, experts?.Commitment);
        }

        if (figures.ModeSwitches is { } switches)
        {
            Number("joint mode switches an episode", switches, experts?.ModeSwitches);
        }

        table.Row("largest step [m]", Fixed(figures.LargestStep), "", experts is null ? "" : Fixed(experts.LargestStep));
        if (full)
        {
            Tail();
        }

        return table;

        // What the figures are of, wherever it is not simply all episodes.
        void Counts()
        {
            var counts = EpisodeCounts.Of(figures);
            if (counts is { Faulty: true, Intact: { } intact })
            {
                table.Row($"{EpisodeCounts.Mark} episodes without fault (no agent stopped, late or refused)", $"{intact} of {counts.Episodes}", "", "");
            }

            if (counts.Distinct is { } distinct && distinct < counts.Episodes)
            {
                table.Row("distinct episodes, which figures and intervals are of", $"{distinct} of {counts.Episodes}", "", "");
            }

            if (counts.Starts is { } starts && starts < counts.Episodes)
            {
                table.Row("distinct starts", $"{starts} of {counts.Episodes}", "", "");
            }
        }

        void Tail()
        {
            Number("path length [m]", figures.PathLength, experts?.PathLength);
            if (figures.PathLengthRatio is { } length)
            {
                Number("path length, ratio", length, null, "1");
            }

            if (figures.TimeToGoal is { } time)
            {
                Number("time to goal, where all arrive [s]", time, experts?.TimeToGoal);
            }

            if (figures.TimeToGoalRatio is { } ratio)
            {
                Number("time to goal, ratio", ratio, null, "1");
            }

            if (figures.Displacement is { } errors)
            {
                var of = $"{errors.Samples} rollouts for each of {errors.Demonstrations} starts [m]";
                Number($"minADE, {of}", errors.MinAde, null);
                Number($"minFDE, {of}", errors.MinFde, null);
                Number($"minJADE, {of}", errors.MinJointAde, null);
                Number($"minJFDE, {of}", errors.MinJointFde, null);
            }

            // The scenario's limits, one by one; the whole curves are in the result file.
            Curve("pair", figures.Curves.Pair, experts?.Curves.Pair, figures.Collisions.Select(c => c.Pair));
            Curve("obstacle", figures.Curves.Obstacle, experts?.Curves.Obstacle, figures.Collisions.Where(c => c.Obstacle is not null).Select(c => c.Obstacle!.Value));
        }

        void Curve(string name, CollisionCurve? curve, CollisionCurve? theirs, IEnumerable<double> limits)
        {
            foreach (var limit in curve is null ? Enumerable.Empty<double>() : limits.Distinct().Order())
            {
                Estimate? At(CollisionCurve? c) => c is not null && Array.IndexOf(c.Thresholds, limit) is >= 0 and var at ? c.Rate(at) : null;
                Rate($"{name} alone < {Short(limit)}", At(curve)!.Value, At(theirs));
            }
        }

        void Transport(TransportFigures transport)
        {
            var floor = transport.Floor;
            Number($"joint transport distance, {transport.Blocks} x ({transport.Rows} x {transport.Columns}) [m]", transport.Joint, null);
            if (floor is not null && transport is { JointAtFloorSize: { } at, RatioToFloor: { } ratio })
            {
                table.Row($"joint transport distance, {floor.Rows} x {floor.Columns}, ratio to the experts' halves", Fixed(ratio), "", Fixed(floor.Point95 / floor.Mean) + " (95 %)");
                if (full)
                {
                    table.Row($"joint transport distance, {floor.Rows} x {floor.Columns} [m]", Fixed(at), "", $"{Fixed(floor.Mean)} (95 %: {Fixed(floor.Point95)})");
                }
            }

            for (var n = 0; full && n < transport.PerAgent.Length; n++)
            {
                Number($"transport distance of agent {n + 1} alone [m]", transport.PerAgent[n], null, transport.PerAgentFloor is { } own ? $"{Fixed(own[n].Mean)} (halves)" : "");
            }
        }

        // Rates of marked episodes are marked themselves.
        void Rate(string name, Estimate value, Estimate? expert) => table.Row(figures.Faults is { Actions: > 0 } ? $"{EpisodeCounts.Mark} {name}" : name, Percent(value.Value), Interval(value, Percent), expert is { } e ? Percent(e.Value) : "");

        void Number(string name, Estimate value, Estimate? expert, string text = "") => table.Row(name, Fixed(value.Value), double.IsFinite(value.Low) || figures.Independent > 1 ? Interval(value, Fixed) : "one episode", expert is { } e ? Fixed(e.Value) : text);
    }

    private static string Interval(Estimate value, Func<double, string> format) => value.IsKnown ? $"{format(value.Low)} to {format(value.High)}" : "";

    private static string Percent(double value) => (100 * value).ToString("0.0", CultureInfo.InvariantCulture) + " %";

    private static string Fixed(double value) => value.ToString("0.000", CultureInfo.InvariantCulture);

    private static string Short(double value) => value.ToString("0.###", CultureInfo.InvariantCulture);
}
