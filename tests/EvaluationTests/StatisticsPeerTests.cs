using System.Diagnostics;
using System.Text.Json;
using MimicD.Evaluation;
using MimicD.Numerics;

namespace MimicD.EvaluationTests;

/// <summary>Every statistic must agree with an independent computation by SciPy to 1e-9, on the same resamples where it resamples.</summary>
public sealed class StatisticsPeerTests
{
    private const double Tolerance = 1e-9;

    [Fact]
    public void Statistics_equal_SciPy()
    {
        var cases = new Cases();
        cases.Rates();
        cases.Pairs();
        cases.Families();
        cases.Seeds();
        cases.Tables();
        cases.Sequences();

        var answers = Ask(cases.Request);
        foreach (var (name, expected) in cases.Found)
        {
            var answer = answers[name];
            Assert.Equal(expected.Count, answer.Length);
            for (var i = 0; i < answer.Length; i++)
            {
                Assert.Equal(answer[i].Length, expected[i].Length);
                for (var k = 0; k < answer[i].Length; k++)
                {
                    Assert.True(Math.Abs(answer[i][k] - expected[i][k]) <= Tolerance,
                        $"{name} of {JsonSerializer.Serialize(cases.Request[name][i])}, number {k}: SciPy {answer[i][k]:g17}, found {expected[i][k]:g17}");
                }
            }
        }
    }

    private static Dictionary<string, double[][]> Ask(Dictionary<string, List<object[]>> request)
    {
        // Debian's interpreter, since Debian's python3-scipy is what './mimicd test' installs.
        var start = new ProcessStartInfo("/usr/bin/python3", [Path.Combine(AppContext.BaseDirectory, "statistics_peer.py")])
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            UseShellExecute = false,
        };
        start.Environment["OPENBLAS_NUM_THREADS"] = "1";
        using var process = Process.Start(start)!;
        var errors = process.StandardError.ReadToEndAsync();
        try
        {
            process.StandardInput.Write(JsonSerializer.Serialize(request));
            process.StandardInput.Close();
        }
        catch (IOException)
        {
            // It ended before it read everything; its own words, below, say why.
        }

        var answer = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        Assert.True(process.ExitCode == 0, $"the SciPy peer failed (it needs python3-scipy and python3-numpy): {errors.GetAwaiter().GetResult()}");
        return JsonSerializer.Deserialize<Dictionary<string, double[][]>>(answer)!;
    }

    /// <summary>Arguments for the peer, and what we find for the same.</summary>
    private sealed class Cases
    {
        private static readonly double[] Levels = [0.8, 0.95, 0.99];

        public Dictionary<string, List<object[]>> Request { get; } = [];

        public Dictionary<string, List<double[]>> Found { get; } = [];

        public void Rates()
        {
            foreach (var (s, n) in new[] { (0, 1), (1, 1), (0, 20), (1, 29), (15, 148), (81, 263), (500, 1000), (999, 1000), (1000, 1000), (3, 20000) })
            {
                foreach (var level in Levels)
                {
                    Add("clopper_pearson", Numbers(RateIntervals.ClopperPearson(s, n, level)), s, n, level);
                    Add("wilson", Numbers(RateIntervals.Wilson(s, n, level)), s, n, level);
                    Add("difference", Numbers(RateIntervals.Difference(s, n, 7, 11, level)), s, n, 7, 11, level);
                }
            }
        }

        public void Pairs()
        {
            foreach (var t in new PairedTable[] { new(36, 12, 2, 0), new(1, 1, 7, 12), new(0, 5, 5, 0), new(700, 90, 60, 150), new(0, 1, 0, 0), new(3, 0, 4, 5), new(40, 3, 3, 54), new(0, 7, 9, 84), new(950, 41, 2, 7) })
            {
                Add("mcnemar", [t.McNemarExact, t.McNemarMidP], t.Both, t.FirstOnly, t.SecondOnly, t.Neither);
                foreach (var level in Levels)
                {
                    Add("newcombe_paired", Numbers(t.Newcombe(level)), t.Both, t.FirstOnly, t.SecondOnly, t.Neither, level);
                    // Where only one kind of discordant case is seen, one end is found at the edge of what is possible, which the peer's solver does not bracket.
                    if (t.FirstOnly > 0 && t.SecondOnly > 0 && t.Both + t.Neither > 0)
                    {
                        Add("tango", Numbers(t.Tango(level)), t.Both, t.FirstOnly, t.SecondOnly, t.Neither, level);
                    }
                }
            }
        }

        public void Families()
        {
            foreach (var p in new double[][] { [0.01, 0.04, 0.03, 0.005], [0.2], [0.5, 0.5, 0.5], [1e-9, 0.049, 0.051, 1, 0] })
            {
                Add("holm", Holm.Adjust(p), [p]);
            }
        }

        public void Seeds()
        {
            double[] x = [0.91, 0.87, 0.95, 0.9, 0.78];
            double[] y = [0.80, 0.79, 0.91, 0.85, 0.81];
            foreach (var level in Levels)
            {
                Add("student", Numbers(SeedMeans.Student(x, level)), x, level);
                Add("student", Numbers(SeedMeans.Student([1.0, 3.0], level)), new[] { 1.0, 3.0 }, level);
                Add("welch", Numbers(SeedMeans.Welch(x, y[..3], level)), x, y[..3], level);
                Add("paired", Numbers(SeedMeans.Paired(x, y, level)), x, y, level);
            }
        }

        public void Tables()
        {
            double[] thresholds = [0, 0.25, 0.503, 0.7501, 1, 1.3];
            foreach (var (runs, tasks) in new[] { (5, 3), (3, 1), (10, 7) })
            {
                foreach (var resampleTasks in new[] { false, true })
                {
                    var scores = Scores(runs, tasks, 1);
                    var resampling = new Resampling { Replicates = 100, Seed = 7, Level = 0.9, ResampleTasks = resampleTasks };
                    var aggregates = resampling.Intervals(scores, t =>
                        [Aggregates.InterquartileMean(t), Aggregates.Mean(t), Aggregates.Median(t), Aggregates.OptimalityGap(t), Aggregates.OptimalityGap(t, 0.9)]);
                    Add("bootstrap",
                        [.. aggregates.Concat(PerformanceProfile.RunScores(scores, thresholds, resampling)).Concat(PerformanceProfile.AverageScores(scores, thresholds, resampling)).SelectMany(Numbers)],
                        Rows(scores), Draws(resampling, scores, 0), thresholds, 0.9);
                }

                // Rounded, so that there are ties.
                var (first, second) = (Rounded(Scores(runs, tasks, 2)), Rounded(Scores(runs + 2, tasks, 3)));
                var plan = new Resampling { Replicates = 20, Seed = 8 };
                Add("improvement", Numbers(plan.Interval(first, second, Aggregates.ProbabilityOfImprovement)), Rows(first), Rows(second), Draws(plan, first, 0), Draws(plan, second, 1), 0.95);
            }
        }

        public void Sequences()
        {
            foreach (var (s, n) in new[] { (0, 1), (1, 1), (0, 50), (7, 50), (25, 50), (990, 1000), (333, 1000), (50000, 100000) })
            {
                foreach (var prior in new[] { 0.5, 1, 10 })
                {
                    Add("sequence", Numbers(new ConfidenceSequence(0.95, prior).At(s, n)), s, n, 0.95, prior);
                }

                Add("sprt", [new Sprt(0.8, 0.9).LogLikelihoodRatio(s, n)], 0.8, 0.9, s, n);
            }
        }

        private static double[] Numbers(Estimate e) => [e.Value, e.Low, e.High];

        private static double[] Numbers(MeanDifference d) => [.. Numbers(d.Difference), d.Freedom, d.PValue];

        private static ScoreTable Scores(int runs, int tasks, int sample)
        {
            var random = new CounterRandom(5, RandomPurpose.Resampling, sample, runs, tasks);
            return new ScoreTable(runs, tasks, [.. Enumerable.Range(0, runs * tasks).Select(_ => 0.7 + 0.3 * random.NextNormal())]);
        }

        private static ScoreTable Rounded(ScoreTable scores) => new(scores.Runs, scores.Tasks, [.. scores.Values.ToArray().Select(v => Math.Round(v, 1))]);

        private static double[][] Rows(ScoreTable scores) => [.. scores.Values.ToArray().Chunk(scores.Tasks)];

        private static object[] Draws(Resampling plan, ScoreTable scores, int sample) =>
            [.. Enumerable.Range(0, plan.Replicates).Select(r => plan.Draw(r, scores.Runs, scores.Tasks, sample)).Select(d => new { runs = d.Runs, tasks = d.Tasks })];

        private void Add(string name, double[] found, params object[] arguments)
        {
            if (!Request.TryGetValue(name, out var cases))
            {
                (Request[name], Found[name]) = (cases = [], []);
            }

            cases.Add(arguments);
            Found[name].Add(found);
        }
    }
}
