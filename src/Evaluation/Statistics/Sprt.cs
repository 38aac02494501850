namespace MimicD.Evaluation;

/// <summary>What a sequential test says so far.</summary>
public enum SequentialVerdict
{
    /// <summary>Nothing yet: go on.</summary>
    Undecided,

    /// <summary>The null hypothesis is refused: the rate is not on its side.</summary>
    RefuseNull,

    /// <summary>The alternative is refused: the rate does not reach it.</summary>
    RefuseAlternative,
}

/// <summary>
/// Sequential probability ratio test of a rate (Wald 1945, "Sequential tests of statistical hypotheses", Annals of Mathematical Statistics 16): stop as soon as the likelihood
/// ratio of the alternative to the null is at least 1/alpha or at most beta. Wald quotes (1-beta)/alpha and beta/(1-alpha), which keep the errors only approximately; with
/// 1/alpha and beta both hold exactly, for any number and timing of looks (Ville 1939), and for every rate on the far side of either hypothesis. A rate between the two may be
/// decided either way.
/// </summary>
public sealed record Sprt
{
    /// <summary>Sets the test up.</summary>
    /// <param name="nullRate">Rate of the null hypothesis, in (0, 1). If it is below the alternative, the null is "at most this", else "at least this".</param>
    /// <param name="alternativeRate">Rate of the alternative, in (0, 1), another one.</param>
    /// <param name="alpha">Largest chance of refusing a true null, in (0, 1).</param>
    /// <param name="beta">Largest chance of refusing a true alternative, in (0, 1).</param>
    public Sprt(double nullRate, double alternativeRate, double alpha = 0.05, double beta = 0.05)
    {
        Inside(nullRate, nameof(nullRate));
        Inside(alternativeRate, nameof(alternativeRate));
        Inside(alpha, nameof(alpha));
        Inside(beta, nameof(beta));
        if (nullRate == alternativeRate)
        {
            throw new ArgumentException("the two hypotheses are the same", nameof(alternativeRate));
        }

        (NullRate, AlternativeRate, Alpha, Beta) = (nullRate, alternativeRate, alpha, beta);

        static void Inside(double value, string name)
        {
            if (!(value > 0 && value < 1))
            {
                throw new ArgumentOutOfRangeException(name, value, "expected a number strictly between 0 and 1");
            }
        }
    }

    /// <summary>Rate of the null hypothesis.</summary>
    public double NullRate { get; }

    /// <summary>Rate of the alternative.</summary>
    public double AlternativeRate { get; }

    /// <summary>Largest chance of refusing a true null.</summary>
    public double Alpha { get; }

    /// <summary>Largest chance of refusing a true alternative.</summary>
    public double Beta { get; }

    /// <summary>Logarithm of the likelihood of the alternative over that of the null.</summary>
    /// <param name="successes">Cases so far in which it happened.</param>
    /// <param name="trials">Independent cases so far.</param>
    public double LogLikelihoodRatio(int successes, int trials)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(successes);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(successes, trials);
        return successes * Math.Log(AlternativeRate / NullRate) + (trials - successes) * Math.Log((1 - AlternativeRate) / (1 - NullRate));
    }

    /// <summary>The verdict on the cases so far. The first that is not <see cref="SequentialVerdict.Undecided"/> counts; later cases do not take it back.</summary>
    /// <param name="successes">Cases so far in which it happened.</param>
    /// <param name="trials">Independent cases so far.</param>
    public SequentialVerdict Decide(int successes, int trials)
    {
        var ratio = LogLikelihoodRatio(successes, trials);
        return ratio >= -Math.Log(Alpha) ? SequentialVerdict.RefuseNull : ratio <= Math.Log(Beta) ? SequentialVerdict.RefuseAlternative : SequentialVerdict.Undecided;
    }
}
