using MimicD.Agents;
using MimicD.Contracts;
using MimicD.Evaluation;
using MimicD.Evaluation.Report;
using MimicD.Numerics;
using MimicD.World;

namespace MimicD.EvaluationTests;

public class FiguresTests
{
    private const string Text = """
        {
          "name": "test", "timeStep": 0.1, "steps": 5,
          "bodies": [ { "start": [0, 0], "goal": [20, 0] }, { "start": [20, 0], "goal": [0, 0] } ],
          "obstacles": [ { "centre": [10, 0], "radius": 4.0 } ],
          "goalTolerance": 2.0,
          "collision": {
            "limits": [ { "name": "contact", "pair": 2.25, "obstacle": 3.9 }, { "name": "wide", "pair": 3 } ],
            "contact": "contact"
          },
          "contested": { "slot": "obstacleSide", "obstacle": 0, "axis": 0, "at": 10 },
          "modes": "swap",
          "dynamics": { "kind": "kinematic" }
        }
        """;

    private static readonly Scenario Scene = Scenario.Parse(Text, "test");

    // Agent 1 passes at height a, agent 2 at height b; agent 1 ends at x = end.
    private static double[] Joint(double a, double b, double end = 20)
        => [0, 0, 5, a, 10, a, 15, a, end, 0, 20, 0, 15.2, b, 10.1, b, 5.2, b, 0, 0];

    private static Figures Of(params double[][] episodes)
    {
        var paths = new PathSet([.. episodes.SelectMany(e => e)], episodes.Length, 2, 5, 2);
        return Figures.Compute(Scene, paths, [.. episodes.SelectMany(_ => new double[] { 20, 0, 0, 0 })], null);
    }

    [Fact]
    public void Success_needs_every_goal_and_no_contact()
    {
        var figures = Of(
            Joint(4.5, -4.5),           // clean
            Joint(4.5, -4.5, 17),       // agent 1 stops 3 m short
            Joint(4.5, 6.0),            // the two pass 1.5 m apart
            Joint(3.5, -4.5));          // agent 1 cuts the obstacle

        Assert.Equal(0.25, figures.StrictSuccess.Value);
        Assert.Equal(0.75, figures.GoalsReached.Value);
        // Agent by agent 1, 1/2, 0 and 1/2: who meets somebody fails with them, who cuts the obstacle or falls short fails alone.
        Assert.Equal(0.5, figures.AgentSuccess!.Value.Value);
        Assert.Equal(0.5, figures.Collisions[0].Rate.Value);
        Assert.Equal(0.25, figures.Collisions[1].Rate.Value);
    }

    [Fact]
    public void No_interval_leaves_the_range_of_its_figure_or_leaves_its_value_out() => Property.Holds(random =>
    {
        var episodes = 2 + random.NextInt32(30);
        var rarely = random.NextDouble() < 0.5 ? 0.03 : 0.5;
        double[] Lengths() => [.. Enumerable.Range(0, episodes).Select(_ => Math.Exp(2 * random.NextNormal()))];
        bool Rarely() => random.NextDouble() < rarely;
        var outcomes = new Outcomes
        {
            Agents = 2,
            MinimumPair = Lengths(),
            MinimumObstacle = [[.. Enumerable.Range(0, episodes).Select(_ => Rarely() ? 3.0 : 5)]],
            FinalToGoal = [.. Enumerable.Range(0, episodes).Select(_ => Rarely() ? 3.0 : 1)],
            AgentSuccess = [.. Enumerable.Range(0, episodes).Select(_ => Rarely() ? 0.5 * random.NextInt32(2) : 1)],
            Modes = [.. Enumerable.Range(0, episodes).Select(_ => Rarely() ? 2 : 1)],
            Contested = [.. Enumerable.Range(0, episodes).Select(_ => Rarely())],
            SecondDifference = Lengths(),
            ThirdDifference = Lengths(),
            LargestStep = Lengths(),
            PathLength = Lengths(),
            TimeToGoal = [.. Enumerable.Range(0, episodes).Select(_ => Rarely() ? 0.35 : 0.3)],
            Commitment = [.. Enumerable.Range(0, episodes).Select(_ => Rarely() ? random.NextDouble() : 0)],
            ModeSwitches = [.. Enumerable.Range(0, episodes).Select(_ => Rarely() ? 1 : 0)],
        };
        var figures = Figures.Compute(Scene, outcomes, new Baseline { Count = 100, ModeShares = [0.5, 0.5, 0, 0, 0, 0], Roughness = [0.5, 0.1] });
        return FigureValues.Of(figures).All(f =>
        {
            var (low, high) = FigureRanges.Of(f.Key);
            var (value, from, to) = f.Value;
            // Limits and other bare numbers have no interval.
            return !f.Value.IsKnown || (low <= from && from <= value && value <= to && to <= high && from < to);
        });
    });

    [Fact]
    public void Contested_failure_counts_pair_contact_among_contested_episodes()
    {
        var figures = Of(Joint(4.5, -4.5), Joint(4.5, 6.0), Joint(4.5, 8.0), Joint(-4.5, -8.0));

        Assert.Equal(0.75, figures.Contested!.Value.Value);
        Assert.Equal(1.0 / 3, figures.ContestedFailure!.Value.Value, 12);
        Assert.Null(Of(Joint(4.5, -4.5)).ContestedFailure);
    }

    [Fact]
    public void Modes_are_compared_with_the_baseline()
    {
        var paths = new PathSet([.. Joint(4.5, -4.5), .. Joint(-4.5, 4.5)], 2, 2, 5, 2);
        var figures = Figures.Compute(Scene, paths, [20, 0, 0, 0, 20, 0, 0, 0], new Baseline { Count = 10, ModeShares = [1, 0, 0, 0, 0, 0], Roughness = [0.5, 0] });

        Assert.Equal([1, 2], figures.Modes!.Labels);
        Assert.Equal(0.5, figures.Modes.TotalVariation!.Value, 12);
        Assert.Equal(0, figures.Modes.ResamplingFloor!.Value, 12);
        Assert.Equal(figures.SecondDifference.Value / 0.5, figures.SecondRatio!.Value.Value, 12);
        Assert.Null(figures.ThirdRatio);
    }

    [Fact]
    public void Labels_of_one_rule_are_never_held_against_shares_of_another()
    {
        // On opposite sides, and agent 1 far out: mode 1 by the sides, mode 3 by the published rule.
        var paths = new PathSet(Joint(5.5, -4.5), 1, 2, 5, 2);
        double[] goals = [20, 0, 0, 0];
        double[] third = [0, 0, 1, 0, 0, 0];
        double[] first = [1, 0, 0, 0, 0, 0];
        ModeFigures Against(Scenario scenario, Baseline baseline) => Figures.Compute(scenario, paths, goals, baseline).Modes!;
        Baseline Of(double[] shares, string? rule, string? hash = null)
            => Baseline.Of(new ProvenanceSpec { Demonstrations = 10, ModeShares = shares, ModeRule = rule, DemonstrationsHash = hash })!;

        var figures = Against(Scene, Of(first, ModeRuleNames.Sides));
        Assert.Equal(("sides", null, 0.0), (figures.Rule, figures.ComparedBy, figures.TotalVariation!.Value));
        Assert.Equal([1], figures.Labels);
        // A model from before rules had names was labelled by the published one, and is compared by it.
        figures = Against(Scene, Of(third, null));
        Assert.Equal(("sides", "published", 0.0), (figures.Rule, figures.ComparedBy, figures.TotalVariation!.Value));
        Assert.Equal([1], figures.Labels);
        // The other way round there are no labels to compare.
        Assert.Null(Against(Scene with { Modes = ModeRule.SwapPublished }, Of(first, ModeRuleNames.Sides)).TotalVariation);
        Assert.Equal(0, Against(Scene with { Modes = ModeRule.SwapPublished }, Of(third, null)).TotalVariation!.Value);
        // The shipped model's demonstrations were labelled by both.
        const string Shipped = "0e2e594a5d586b5ecad8cb42f4e5eac5b6c46e2ba547a347a6e146cddd67a6b8";
        Assert.Null(Against(Scene, Of(first, null, Shipped)).ComparedBy);
        Assert.Equal(0, Against(Scene with { Modes = ModeRule.SwapPublished }, Of(third, null, Shipped)).TotalVariation!.Value);
    }

    [Fact]
    public void Stored_outcomes_without_a_named_rule_are_of_the_published_one()
    {
        var outcomes = Outcomes.Compute(Scene, new PathSet(Joint(5.5, -4.5), 1, 2, 5, 2), [20, 0, 0, 0]);
        Assert.Equal((1, 3), (outcomes.Modes![0], outcomes.PublishedModes![0]));
        var text = OutcomesFile.Format(outcomes);
        var read = OutcomesFile.Parse(text, "o");
        Assert.Equal((1, 3, "sides"), (read.Modes![0], read.PublishedModes![0], read.ModeRule));
        var before = OutcomesFile.Parse(text.Replace("publishedMode", "other", StringComparison.Ordinal), "o");
        Assert.Null(before.ModeRule);
        var against = new Baseline { Count = 10, ModeShares = [1, 0, 0, 0, 0, 0], ModeRule = ModeRuleNames.Sides };
        Assert.Null(Figures.Compute(Scene, before, against).Modes!.TotalVariation);
        Assert.NotNull(Figures.Compute(Scene, before, against with { ModeRule = ModeRuleNames.Published }).Modes!.TotalVariation);
        Assert.NotNull(Figures.Compute(Scene, before, against with { ModeRule = ModeRuleNames.Unnamed }).Modes!.TotalVariation);
    }

    [Fact]
    public void Episodes_that_show_no_mode_are_counted_as_such_and_named_in_pictures()
    {
        var paths = new PathSet([.. Joint(4.5, -4.5), .. Standing], 2, 2, 5, 2);
        double[] goals = [20, 0, 0, 0, 20, 0, 0, 0];
        var figures = Figures.Compute(Scene, paths, goals, new Baseline { Count = 10, ModeShares = [1, 0, 0, 0, 0, 0], ModeRule = ModeRuleNames.Sides });
        Assert.Equal([1, 0], figures.Modes!.Labels);
        Assert.Equal((0.5, 0.5, 0.0), (figures.Modes.Shares[0].Value, figures.Modes.Unresolved!.Value.Value, figures.Modes.Shares.Skip(1).Sum(s => s.Value)));
        Assert.Equal(0.5, figures.Modes.TotalVariation!.Value, 12);
        Assert.Equal(Math.Log(2), figures.Modes.Entropy, 12);
        // Demonstrations without a mode are one more mode as well.
        var known = new Baseline { Count = 10, ModeShares = [0.5, 0, 0, 0, 0, 0], ModeRule = ModeRuleNames.Sides };
        Assert.Equal(0, Figures.Compute(Scene, paths, goals, known).Modes!.TotalVariation!.Value, 12);
        Assert.Equal(["episode 0 · 1 above, 2 below", "episode 1 · no mode (not all came past) · goal missed"], PictureContent.Of(Scene, paths, goals).Titles);
        // Nobody takes a side of a disc that nobody comes to.
        Assert.Equal(0, figures.Contested!.Value.Value);
    }

    [Fact]
    public void Rollouts_that_begin_in_map_coordinates_are_refused_and_those_that_went_astray_are_not()
    {
        var folder = Directory.CreateTempSubdirectory("mimicd-");
        try
        {
            string Written(string name, double start, double end)
            {
                var path = Path.Combine(folder.FullName, name);
                new NpzWriter().Add<double>("positions", new[] { 0, start, 20, end, 20, start, 0, end }, 1, 2, 2, 2).Save(path);
                return path;
            }

            Assert.Equal(1, RolloutFile.Load(Written("astray.npz", 0, 1e8), Scene).Paths.Episodes);
            var file = Written("map.npz", 4649776, 4649776);
            var error = Assert.Throws<InvalidInputException>(() => RolloutFile.Load(file, Scene));
            Assert.StartsWith($"{file}: positions: expected coordinates below 262144 m,", error.Message, StringComparison.Ordinal);
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    // Both stop short of the disc, above.
    private static double[] Standing => [0, 0, 5, 4, 5, 4, 5, 4, 5, 4, 20, 0, 15, 4, 15, 4, 15, 4, 15, 4];

    [Fact]
    public void Figures_survive_being_written_and_read()
    {
        var figures = Of(Joint(4.5, -4.5));

        var read = StrictJson.Parse<Figures>(StrictJson.Format(figures), "test");
        Assert.Equal(figures.StrictSuccess, read.StrictSuccess);
        Assert.Equal(figures.Modes!.Labels, read.Modes!.Labels);
        // One episode has no spread: its interval is unbounded, and null in the file.
        Assert.True(double.IsNaN(read.SecondDifference.High));
    }

    [Fact]
    public void Pictures_mark_where_contact_happened()
    {
        var paths = new PathSet([.. Joint(4.5, -4.5), .. Joint(4.5, 6.0), .. Joint(3.5, -4.5)], 3, 2, 5, 2);
        var content = PictureContent.Of(Scene, paths, [20, 0, 0, 0, 20, 0, 0, 0, 20, 0, 0, 0]);

        Assert.Equal([false, true, true], content.Marked);
        Assert.Null(content.Contacts[0]);
        Assert.Equal((10.05, 5.25), content.Contacts[1]!.Value);
        Assert.Equal((10.0, 3.5), content.Contacts[2]!.Value);
        Assert.EndsWith("contact", content.Titles[2], StringComparison.Ordinal);
    }

    [Fact]
    public void A_model_must_fit_the_scenario()
    {
        var model = new ModelSpec
        {
            Scenario = "elsewhere",
            Agents = 2,
            TimeStep = 0.1,
            Sensor = new SensorSpec(),
            Plan = new PlanSpec { Length = 8, Frame = Frame.Absolute },
            Network = new NetworkSpec { Kind = NetworkKind.Mlp, Width = 8, Depth = 1 },
            Normalisation = [],
        };
        string Refusal(ModelSpec spec, Scenario? scene = null) => Assert.Throws<InvalidInputException>(() => ModelFit.Require(scene ?? Scene, spec, "m")).Message;

        ModelFit.Require(Scene, model, "m");
        ModelFit.Require(Scene, model with { Agents = 7, SharedWeights = true }, "m");
        Assert.Equal("m: agents: expected 2 (the model was trained for scenario 'elsewhere', this is 'test'), found 3", Refusal(model with { Agents = 3 }));
        Assert.StartsWith("m: sensor.dimensions", Refusal(model with { Sensor = new SensorSpec { Dimensions = 3 } }), StringComparison.Ordinal);
        Assert.StartsWith("m: timeStep", Refusal(model with { TimeStep = 0.2 }), StringComparison.Ordinal);
        Assert.StartsWith("m: plan", Refusal(model, Scene with { Dynamics = Scene.Dynamics with { Action = ActionKind.Control } }), StringComparison.Ordinal);
        Assert.StartsWith("m: sensor.others", Refusal(model with { Sensor = new SensorSpec { Others = new OthersSpec { Count = 3 } } }), StringComparison.Ordinal);
    }
}
