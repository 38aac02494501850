using MimicD.Numerics;
using MimicD.World.Experts;

namespace MimicD.WorldTests;

public class ExpertsDerivativesTests
{
    private const int Knots = 6;
    private const double Difference = 1e-6;

    private readonly UnicycleTranscription _nlp;
    private readonly double[] _x, _u, _y, _lambda;

    public ExpertsDerivativesTests()
    {
        // Three agents, two discs, every kind of limit, a reference of its own: more general than the swap and the road.
        var weights = new UnicycleWeights(2, 3, 0.7, 11, 13, 5, 0.6, 0.3, 1.7, 0.9);
        var limits = new UnicycleLimits(0, 9, 0.2, 0.8);
        var reference = new CounterRandom(6, RandomPurpose.Experts);
        _nlp = new UnicycleTranscription(new UnicycleProblem
        {
            Agents =
            [
                new UnicycleAgent(0, 0, 0.1, 4, 1, 0.2, weights, limits),
                new UnicycleAgent(5, 1, 3.0, 0, 0, 3.1, weights with { X = 1 }, limits),
                new UnicycleAgent(2, -3, 1.5, 2, 3, 1.6, weights, limits with { MaxSpeed = double.PositiveInfinity }) { Reference = Normal(3 * Knots, ref reference) },
            ],
            Discs = [new Disc(2, 0, 1), new Disc(3, 2, 0.5)],
            PairDistance = 0.75,
            MaxAbsY = 4,
            Knots = Knots,
        });
        var random = new CounterRandom(5, RandomPurpose.Experts);
        _x = Normal(_nlp.N * Knots, ref random);
        _u = Normal(_nlp.M * (Knots - 1), ref random);
        _y = Normal(_nlp.N * Knots, ref random);
        _lambda = Normal(_nlp.Count, ref random);
    }

    [Fact]
    public void The_gradient_of_the_Lagrangian_is_that_of_its_value()
    {
        double[] gradient = Gradient();
        ForEachUnknown((entry, values, at) =>
        {
            double kept = values[at];
            values[at] = kept + Difference;
            double above = Value();
            values[at] = kept - Difference;
            double below = Value();
            values[at] = kept;
            Close((above - below) / (2 * Difference), gradient[entry], $"entry {entry}");
        });
    }

    [Fact]
    public void The_Hessian_of_the_Lagrangian_is_that_of_its_gradient()
    {
        int width = _nlp.N + _nlp.M;
        var hessian = new double[Knots * width * width];
        _nlp.LagrangianHessian(_x, _u, _lambda, _y, hessian);
        ForEachUnknown((entry, values, at) =>
        {
            double kept = values[at];
            values[at] = kept + Difference;
            double[] above = Gradient();
            values[at] = kept - Difference;
            double[] below = Gradient();
            values[at] = kept;
            int stage = entry / width;
            for (int other = 0; other < above.Length; other++)
            {
                // Steps are coupled by the dynamics alone, whose curvature lies within a step.
                double expected = other / width == stage ? hessian[(((stage * width) + (entry % width)) * width) + (other % width)] : 0;
                Close((above[other] - below[other]) / (2 * Difference), expected, $"entries {entry}, {other}");
            }
        });
    }

    private double Value()
    {
        var g = new double[_nlp.Count];
        var defects = new double[_nlp.N * (Knots - 1)];
        _nlp.Inequalities(_x, _u, g);
        _nlp.Defects(_x, _u, defects);
        double value = _nlp.Cost(_x, _u);
        for (int i = 0; i < g.Length; i++)
        {
            value -= _lambda[i] * g[i];
        }

        for (int i = 0; i < defects.Length; i++)
        {
            value += _y[_nlp.N + i] * defects[i];
        }

        // The multiplier of the first state belongs to its being given; it enters the gradient as -y_0.
        for (int i = 0; i < _nlp.N; i++)
        {
            value -= _y[i] * _x[i];
        }

        return value;
    }

    private double[] Gradient()
    {
        int width = _nlp.N + _nlp.M;
        var cost = new double[Knots * width];
        var gradient = new double[Knots * width];
        var step = new double[4 * _nlp.Agents * (Knots - 1)];
        _nlp.Linearise(_x);
        _nlp.CostGradient(_x, _u, cost);
        _nlp.StepJacobian(_x, _u, step);
        _nlp.LagrangianGradient(cost, step, _lambda, _y, gradient);
        return gradient;
    }

    private void ForEachUnknown(Action<int, double[], int> check)
    {
        int width = _nlp.N + _nlp.M;
        for (int k = 0; k < Knots; k++)
        {
            for (int i = 0; i < _nlp.N; i++)
            {
                check((k * width) + i, _x, (k * _nlp.N) + i);
            }

            for (int c = 0; k < Knots - 1 && c < _nlp.M; c++)
            {
                check((k * width) + _nlp.N + c, _u, (k * _nlp.M) + c);
            }
        }
    }

    private static void Close(double measured, double computed, string where) =>
        Assert.True(Math.Abs(measured - computed) <= 2e-6 * (1 + Math.Abs(computed)), $"{where}: differences give {measured}, the formula {computed}");

    private static double[] Normal(int count, ref CounterRandom random)
    {
        var values = new double[count];
        for (int i = 0; i < count; i++)
        {
            values[i] = random.NextNormal();
        }

        return values;
    }
}
