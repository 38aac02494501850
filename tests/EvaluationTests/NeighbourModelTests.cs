using MimicD.Agents;
using MimicD.AgentsTests;
using MimicD.Contracts;
using MimicD.Numerics;
using MimicD.World;

namespace MimicD.EvaluationTests;

/// <summary>What an agent thinks that others see, against what they would see.</summary>
public class NeighbourModelTests
{
    private static readonly Disc[] Obstacles = [new Disc([1, 2], 0.7), new Disc([-2, 0.5], 0.7)];

    [Theory]
    [InlineData(OtherOrder.Identity, Frame.Relative)]
    [InlineData(OtherOrder.Identity, Frame.Absolute)]
    [InlineData(OtherOrder.Nearest, Frame.Relative)]
    public void Whoever_sees_everything_knows_what_another_sees_but_for_its_goal(OtherOrder order, Frame frame)
    {
        for (ulong seed = 1; seed <= 15; seed++)
        {
            var random = new CounterRandom(seed, RandomPurpose.Starts);
            var agents = 2 + random.NextInt32(4);
            var spec = Spec(agents, order, frame);
            var sensor = new Sensor(spec.Sensor, Obstacles, spec.TimeStep);
            double[] positions = Draw(ref random, agents, 4), previous = [.. positions.Zip(Draw(ref random, agents, 0.1), (x, d) => x - d)], goals = Draw(ref random, agents, 6);
            var view = new WorldView { Positions = positions, Previous = previous, Goals = goals };
            var names = spec.Sensor.FeatureNames();
            float[] own = new float[sensor.FrameSize], theirs = new float[sensor.FrameSize], guessed = new float[sensor.FrameSize];
            for (var self = 0; self < agents; self++)
            {
                sensor.Frame(view, self, own);
                var model = Of(spec, self);
                int[] others = [.. Enumerable.Range(0, agents).Where(a => a != self)];
                if (order == OtherOrder.Nearest)
                {
                    others = [.. others.OrderBy(a => Distance(positions, a, self))];
                }

                for (var slot = 0; slot < others.Length; slot++)
                {
                    Assert.True(model.WriteFrame(own, slot, 0, guessed));
                    sensor.Frame(view, others[slot], theirs);
                    for (var i = 0; i < names.Length; i++)
                    {
                        Assert.True(names[i].StartsWith("goal", StringComparison.Ordinal) || Math.Abs(theirs[i] - guessed[i]) < 2e-5, $"seed {seed}, agent {self} of {agents}, slot {slot}, {names[i]}: {theirs[i]} seen, {guessed[i]} guessed");
                    }
                }
            }
        }
    }

    [Fact]
    public void Networks_of_their_own_go_where_their_demonstrations_went_and_others_straight_on()
    {
        var apart = Spec(2, OtherOrder.Identity, Frame.Relative);
        var names = apart.Sensor.FeatureNames();
        var goal = Array.IndexOf(names, "goal.x");
        var own = new float[names.Length];
        (own[goal], own[goal + 1]) = (3, 4);
        var other = Array.IndexOf(names, "other0.position.x");
        (own[other], own[other + 1], own[other + 2], own[other + 3], own[other + 4]) = (2, 1, 0, -0.5f, 1);
        var frame = new float[names.Length];

        Assert.True(Of(apart, 0).WriteFrame(own, 0, 0, frame));
        var mean = apart.Normalisation[1].ConditionMean;
        Assert.Equal((mean[goal] + mean[0] - 2, mean[goal + 1] + mean[1] - 1), (frame[goal], frame[goal + 1]), Near);

        // The own goal is 5 m away, and the other moves downwards.
        Assert.True(Of(Spec(2, OtherOrder.Nearest, Frame.Relative), 0).WriteFrame(own, 0, 0, frame));
        Assert.Equal((0f, -5f), (frame[goal], frame[goal + 1]), Near);

        // Two ticks ago it was farther up.
        Assert.True(Of(apart, 0).WriteFrame(own, 0, 2, frame));
        Assert.Equal((2f, 1.1f), (frame[0], frame[1]), Near);

        own[other + 4] = 0;
        Assert.False(Of(apart, 0).WriteFrame(own, 0, 0, frame));

        static bool Near((float X, float Y) a, (float X, float Y) b) => Math.Abs(a.X - b.X) < 1e-5 && Math.Abs(a.Y - b.Y) < 1e-5;
    }

    [Fact]
    public void Others_are_asked_once_a_plan_and_the_choice_looks_at_what_they_would_do()
    {
        var spec = Spec(2, OtherOrder.Identity, Frame.Relative);
        var model = RandomModel.Load(spec);
        var (plain, foretold) = (Policy(null), Policy(new PredictionSpec()));
        var differ = 0;
        for (ulong seed = 1; seed <= 20; seed++)
        {
            var random = new CounterRandom(seed, RandomPurpose.Starts);
            float[] frames = new float[plain.History * plain.FrameSize], noise = new float[plain.NoiseSize];
            random.FillNormal(frames);
            random.FillNormal(noise);
            Array.Fill(frames, 1, Array.IndexOf(spec.Sensor.FeatureNames(), "other0.presence"), 1);
            float[] one = new float[plain.PlanActions * 2], other = new float[one.Length];
            var calls = plain.Plan(frames, noise, one);
            Assert.Equal(3 * spec.Sampling.Steps, calls);
            Assert.Equal(calls + spec.Sampling.Steps, foretold.Plan(frames, noise, other));
            differ += one.AsSpan().SequenceEqual(other) ? 0 : 1;
        }

        Assert.InRange(differ, 1, 20);

        IPolicy Policy(PredictionSpec? prediction) => model.Policies(spec.Sampling with { Selection = new SelectionSpec { Candidates = 3, Prediction = prediction } })(new AgentId(0));
    }

    [Fact]
    public void A_model_that_does_not_know_whose_network_is_whose_is_refused()
    {
        var spec = Spec(3, OtherOrder.Nearest, Frame.Relative) with { SharedWeights = false };
        spec = RandomModel.Complete(spec);
        var sampling = spec.Sampling with { Selection = new SelectionSpec { Candidates = 2, Prediction = new PredictionSpec() } };
        Assert.StartsWith("sampling: selection.prediction: expected none with a model that does not know whose network is whose", Assert.Throws<InvalidInputException>(() => RandomModel.Load(spec).Policies(sampling)).Message, StringComparison.Ordinal);
    }

    private static NeighbourModel Of(ModelSpec spec, int self)
        => new(spec, new AgentId(self), [.. Enumerable.Range(0, spec.Networks).Select(i => RandomModel.Load(spec).Policies()(new AgentId(i)))], new PredictionSpec { ObstacleRadius = 0.7 });

    private static ModelSpec Spec(int agents, OtherOrder order, Frame frame)
    {
        var spec = RandomModel.Spec(agents: agents, shared: order == OtherOrder.Nearest);
        return RandomModel.Complete(spec with
        {
            ConditionOnPosition = true,
            Sensor = spec.Sensor with { History = 1, Obstacles = new ObstaclesSpec { Count = 2 }, Others = new OthersSpec { Count = agents - 1, Order = order, Frame = frame, Velocity = true, Presence = true } },
        });
    }

    private static double Distance(double[] positions, int a, int b)
        => Math.Sqrt(Math.Pow(positions[2 * a] - positions[2 * b], 2) + Math.Pow(positions[2 * a + 1] - positions[2 * b + 1], 2));

    private static double[] Draw(ref CounterRandom random, int agents, double scale)
    {
        var values = new double[2 * agents];
        for (var i = 0; i < values.Length; i++)
        {
            values[i] = random.NextUniform(-scale, scale);
        }

        return values;
    }
}
