namespace MimicD.World.Experts;

/// <summary>
/// Primal-dual interior-point solver for <see cref="UnicycleProblem"/>: every Newton step is one Riccati sweep over the horizon, so its cost grows linearly
/// with the number of steps. Deterministic; holds no state between calls.
/// </summary>
/// <remarks>
/// States and controls are both unknowns (multiple shooting), so the guess need not satisfy the dynamics. Slacks turn g(z) >= 0 into
/// g(z) = s, s >= 0; the barrier parameter falls monotonically (Fiacco and McCormick) and a filter decides on step lengths
/// (Waechter and Biegler, "On the implementation of an interior-point filter line-search algorithm", 2006, sections 2 and 3, without the restoration phase:
/// a search that fails raises the regularisation instead).
/// </remarks>
public static class UnicycleSolver
{
    /// <summary>Finds the local optimum that the guess leads to.</summary>
    /// <param name="problem">The problem.</param>
    /// <param name="guess">[N, Knots, 2] positions to start from; the first ones are replaced by the agents' starts.</param>
    /// <param name="settings">Settings; null for the defaults.</param>
    /// <param name="cancellation">Checked at every Newton step.</param>
    /// <exception cref="ArgumentException">The guess has a wrong length.</exception>
    public static UnicycleSolution Solve(
        UnicycleProblem problem, ReadOnlySpan<double> guess, UnicycleSolverSettings? settings = null, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(problem);
        if (guess.Length != problem.Agents.Count * problem.Knots * 2)
        {
            throw new ArgumentException($"The guess needs {problem.Agents.Count} x {problem.Knots} x 2 entries and has {guess.Length}.", nameof(guess));
        }

        return new InteriorPoint(problem, guess, settings ?? new UnicycleSolverSettings()).Run(cancellation);
    }
}
