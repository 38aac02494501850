using MimicD.Evaluation;
using MimicD.Numerics;

namespace MimicD.EvaluationTests;

public class AgreementLawTests
{
    [Theory]
    [InlineData(0.0)]
    [InlineData(0.5)]
    [InlineData(Math.PI / 2)]
    [InlineData(2.5)]
    [InlineData(Math.PI)]
    public void Linear_deciders_at_an_angle_agree_as_the_law_says(double angle)
    {
        const int count = 40_000;
        const int size = 6;
        var noise = new float[count * size];
        new CounterRandom(3, RandomPurpose.PlanNoise).FillNormal(noise);
        var (first, second) = (new bool[count], new bool[count]);
        for (var m = 0; m < count; m++)
        {
            var (x, y) = (noise[m * size + 1], noise[m * size + 4]);
            (first[m], second[m]) = (x > 0, Math.Cos(angle) * x + Math.Sin(angle) * y > 0);
        }

        var law = AgreementLaw.Measure(noise, first, second);

        // A direction of 6 numbers is known from so many noises to about a hundredth of a radian, and where it is 0 or pi it cannot be off to both sides.
        Assert.Equal(angle, law.Angle, 0.03);
        Assert.Equal(1 - angle / Math.PI, law.Shared, 0.0125);
        Assert.Equal(law.Law, law.Shared, 0.02);
        Assert.Equal(0.5, law.Apart, 0.001);
        Assert.True(law.Linear > 0.98, $"{law.Linear}");
    }

    [Fact]
    public void Decisions_that_noise_does_not_make_are_seen_to_be_none()
    {
        const int count = 2000;
        var noise = new float[count * 2];
        new CounterRandom(3, RandomPurpose.PlanNoise).FillNormal(noise);
        var decided = Enumerable.Range(0, count).Select(m => m % 2 == 0).ToArray();

        Assert.InRange(AgreementLaw.Measure(noise, decided, decided).Linear, 0.4, 0.6);
        Assert.Throws<ArgumentException>(() => AgreementLaw.Measure(noise, decided, decided.AsSpan(1)));
    }
}
