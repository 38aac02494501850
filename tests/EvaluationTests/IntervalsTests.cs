using MimicD.Evaluation;

namespace MimicD.EvaluationTests;

public class IntervalsTests
{
    // Newcombe 1998, "Two-sided confidence intervals for the single proportion", table I, method 3 (score, no continuity correction).
    [Theory]
    [InlineData(81, 263, 0.2553, 0.3662)]
    [InlineData(15, 148, 0.0624, 0.1605)]
    [InlineData(0, 20, 0.0000, 0.1611)]
    [InlineData(1, 29, 0.0061, 0.1718)]
    public void Wilson_gives_the_published_limits(int successes, int trials, double low, double high)
    {
        var estimate = Intervals.Wilson(successes, trials);

        Assert.Equal((double)successes / trials, estimate.Value, 12);
        Assert.Equal(low, estimate.Low, 4);
        Assert.Equal(high, estimate.High, 4);
    }

    [Fact]
    public void Wilson_is_symmetric_in_success_and_failure()
    {
        for (var successes = 0; successes <= 37; successes++)
        {
            var (a, b) = (Intervals.Wilson(successes, 37), Intervals.Wilson(37 - successes, 37));
            Assert.Equal(a.Low, 1 - b.High, 12);
            Assert.Equal(a.High, 1 - b.Low, 12);
        }
    }

    [Fact]
    public void Of_no_trial_nothing_is_known()
    {
        var estimate = Intervals.Wilson(0, 0);

        Assert.True(double.IsNaN(estimate.Value));
        Assert.Equal((0.0, 1.0), (estimate.Low, estimate.High));
    }

    [Fact]
    public void Mean_has_the_standard_error_around_it()
    {
        var estimate = Intervals.Mean([1, 2, 3, 4]);

        var half = 1.959963984540054 * Math.Sqrt(5.0 / 3 / 4);
        Assert.Equal(2.5, estimate.Value, 12);
        Assert.Equal(2.5 - half, estimate.Low, 12);
        Assert.Equal(2.5 + half, estimate.High, 12);
    }
}
