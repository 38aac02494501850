using MathNet.Numerics.Distributions;

namespace MimicD.Evaluation;

/// <summary>
/// Outcomes of two methods on the same cases (common starts and goals), counted. What tells the methods apart are the discordant cases alone;
/// treating such cases as independent throws that away. The cases are the sample, so everything here is about the two models at hand; with several training seeds a
/// method, <see cref="SeedMeans.Paired"/> compares the methods.
/// </summary>
/// <param name="Both">Cases in which it happened with both methods.</param>
/// <param name="FirstOnly">Cases in which it happened with the first method alone.</param>
/// <param name="SecondOnly">Cases in which it happened with the second method alone.</param>
/// <param name="Neither">Cases in which it happened with neither.</param>
public readonly record struct PairedTable(int Both, int FirstOnly, int SecondOnly, int Neither)
{
    /// <summary>Cases.</summary>
    public int Count => Both + FirstOnly + SecondOnly + Neither;

    /// <summary>The table with the methods swapped.</summary>
    public PairedTable Swapped => new(Both, SecondOnly, FirstOnly, Neither);

    /// <summary>Rate of the first method minus rate of the second; NaN without cases.</summary>
    public double Difference => (double)(FirstOnly - SecondOnly) / Count;

    /// <summary>
    /// Two-sided exact p-value of "both methods have the same rate" (McNemar 1947, "Note on the sampling error of the difference between correlated proportions or
    /// percentages", Psychometrika 12): the discordant cases against a fair coin. Its size never exceeds the nominal one; it is conservative. 1 without discordant cases.
    /// </summary>
    public double McNemarExact => Math.Min(1, 2 * Binomial.CDF(0.5, FirstOnly + SecondOnly, Math.Min(FirstOnly, SecondOnly)));

    /// <summary>
    /// The same with the observed case counted half (Fagerland, Lydersen, Laake 2013, "The McNemar test for binary matched-pairs data: mid-p and asymptotic are better than
    /// exact conditional", BMC Medical Research Methodology 13:91): more power, and its size hardly ever above the nominal one, but without a guarantee.
    /// </summary>
    public double McNemarMidP
    {
        get
        {
            var (discordant, less) = (FirstOnly + SecondOnly, Math.Min(FirstOnly, SecondOnly));
            // Half of the cases on each side: the formula is 1 up to rounding.
            return FirstOnly == SecondOnly ? 1 : 2 * Binomial.CDF(0.5, discordant, less) - Binomial.PMF(0.5, discordant, less);
        }
    }

    /// <summary>Counts the outcomes of two methods, case by case.</summary>
    /// <param name="first">Whether it happened with the first method, [cases].</param>
    /// <param name="second">With the second method in the same cases, [cases].</param>
    /// <exception cref="ArgumentException">The lists differ in length.</exception>
    public static PairedTable Of(IReadOnlyList<bool> first, IReadOnlyList<bool> second)
    {
        ArgumentNullException.ThrowIfNull(first);
        ArgumentNullException.ThrowIfNull(second);
        if (first.Count != second.Count)
        {
            throw new ArgumentException($"{first.Count} cases do not pair with {second.Count}", nameof(second));
        }

        var counts = new int[4];
        for (var i = 0; i < first.Count; i++)
        {
            counts[(first[i] ? 0 : 2) + (second[i] ? 0 : 1)]++;
        }

        return new PairedTable(counts[0], counts[1], counts[2], counts[3]);
    }

    /// <summary>
    /// Interval of the difference of the rates, first minus second (Newcombe 1998, "Improved confidence intervals for the difference between binomial proportions based
    /// on paired data", Statistics in Medicine 17, 2635-2650, method 10: Wilson limits of both rates squared and added, less what their correlation explains; a positive
    /// correlation is taken with its continuity correction). Without cases NaN and [-1, 1].
    /// </summary>
    /// <param name="level">Wanted coverage, in (0, 1).</param>
    public Estimate Newcombe(double level = 0.95)
    {
        var first = RateIntervals.Wilson(Both + FirstOnly, Count, level);
        var second = RateIntervals.Wilson(Both + SecondOnly, Count, level);
        if (Count == 0)
        {
            return new Estimate(double.NaN, -1, 1);
        }

        double product = (double)Both * Neither - (double)FirstOnly * SecondOnly;
        var norm = Math.Sqrt((double)(Both + FirstOnly) * (SecondOnly + Neither)) * Math.Sqrt((double)(Both + SecondOnly) * (FirstOnly + Neither));
        var phi = norm > 0 ? (product > 0 ? Math.Max(product - Count / 2.0, 0) : product) / norm : 0;
        return new Estimate(Difference, Difference - Length(first.Value - first.Low, second.High - second.Value), Difference + Length(first.High - first.Value, second.Value - second.Low)).Within(-1, 1);

        double Length(double x, double y) => Math.Sqrt(Math.Max(0, x * x - 2 * phi * x * y + y * y));
    }

    /// <summary>
    /// Score interval of the difference of the rates, first minus second (Tango 1998, "Equivalence test and confidence interval for the difference in proportions for
    /// the paired-sample design", Statistics in Medicine 17, 891-908): the differences D with |b - c - n D| &lt;= z sqrt(n (2 q + D (1 - D))), b and c the discordant
    /// counts, n the cases, q the likeliest share of second-only cases given D. The score counterpart of Wilson's interval; without cases NaN and [-1, 1].
    /// </summary>
    /// <param name="level">Wanted coverage, in (0, 1).</param>
    public Estimate Tango(double level = 0.95)
    {
        var z = Quantiles.TwoSidedNormal(level);
        if (Count == 0)
        {
            return new Estimate(double.NaN, -1, 1);
        }

        return new Estimate(Difference, -Swapped.ScoreLimit(z), ScoreLimit(z));
    }

    private double ScoreLimit(double z)
    {
        // The score falls in D, so the upper end lies between the estimate and the largest difference that there is.
        double b = FirstOnly, c = SecondOnly, n = Count;
        var (inside, outside) = (Difference, 1.0);
        while (true)
        {
            var middle = inside + (outside - inside) / 2;
            if (middle <= inside || middle >= outside)
            {
                return outside;
            }

            var half = b + c - middle * (2 * n - b + c);
            var q = (half + Math.Sqrt(Math.Max(0, half * half + 8 * n * c * middle * (1 - middle)))) / (4 * n);
            var deviation = Math.Sqrt(Math.Max(0, n * (2 * q + middle * (1 - middle))));
            (inside, outside) = n * middle - (b - c) <= z * deviation ? (middle, outside) : (inside, middle);
        }
    }
}
