using MimicD.Agents;
using MimicD.Contracts;
using MimicD.Evaluation;
using MimicD.Evaluation.Report;
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
