using MimicD.Numerics;

namespace MimicD.World.Experts;

/// <summary>
/// A task that can be done in several joint modes, as a family of planning problems over starts and goals. Immutable and safe to share between threads.
/// </summary>
public interface IExpertTask
{
    /// <summary>Name of the scenario that the demonstrations belong to.</summary>
    string Scenario { get; }

    /// <summary>The problem between the nominal places; limits, start headings, steps and time step are those of every place.</summary>
    UnicycleProblem Nominal { get; }

    /// <summary>What each mode looks like, [K], in the order of the labels from 1.</summary>
    IReadOnlyList<string> ModeNames { get; }

    /// <summary>Shares [K] in which modes are drawn; need not sum to one.</summary>
    IReadOnlyList<double> ModeShares { get; }

    /// <summary>How many draws of starts and goals are tried for one demonstration before the generator gives up with an error.</summary>
    int Draws { get; }

    /// <summary>The mode of a joint path, from 1; 0 where it shows none.</summary>
    /// <param name="joint">All agents' positions [N, T, 2], m.</param>
    int Label(ReadOnlySpan<double> joint);

    /// <summary>Draws starts and goals.</summary>
    /// <param name="random">Where the numbers come from.</param>
    /// <param name="starts">Receives the starts [N, 2], m.</param>
    /// <param name="goals">Receives the goals [N, 2], m.</param>
    void DrawPlaces(ref CounterRandom random, Span<double> starts, Span<double> goals);

    /// <summary>How badly a mode suits these places by the law of modes that was asked for: 0 where it may be shown there, more the worse.</summary>
    /// <param name="mode">1..K.</param>
    /// <param name="starts">[N, 2], m.</param>
    /// <param name="goals">[N, 2], m.</param>
    int Misfit(int mode, ReadOnlySpan<double> starts, ReadOnlySpan<double> goals);

    /// <summary>The demonstration of a mode between given places, or null if no guess led to one that keeps all limits and has that mode.</summary>
    /// <param name="mode">1..K.</param>
    /// <param name="starts">[N, 2], m.</param>
    /// <param name="goals">[N, 2], m.</param>
    /// <param name="seed">Key of the variation of guesses.</param>
    /// <param name="cancellation">Stops the search.</param>
    /// <exception cref="ArgumentException">No such mode, or wrong shapes.</exception>
    JointDemonstration? Solve(int mode, ReadOnlySpan<double> starts, ReadOnlySpan<double> goals, ulong seed, CancellationToken cancellation = default);
}
