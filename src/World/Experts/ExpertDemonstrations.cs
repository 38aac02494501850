namespace MimicD.World.Experts;

/// <summary>One joint demonstration.</summary>
/// <param name="Mode">Joint mode, 1-based.</param>
/// <param name="Positions">[N, T, 2], m.</param>
/// <param name="Controls">[N, T - 1, 2]: speed m/s and turn rate rad/s.</param>
/// <param name="Goals">[N, 2]: the goals asked for, m; the path ends near them (the goal is a soft one).</param>
/// <param name="Violation">Largest violation of dynamics, distances and limits, m; 0 if all hold.</param>
/// <param name="Iterations">Newton steps the solver took.</param>
public sealed record JointDemonstration(int Mode, double[] Positions, double[] Controls, double[] Goals, double Violation, int Iterations);

/// <summary>What the generator made, and what it cost.</summary>
/// <param name="Demonstrations">Positions [M, 2, T, 2], controls [M, 2, T - 1, 2] (speed m/s, turn rate rad/s), modes [M].</param>
/// <param name="Goals">[M, 2, 2]: the goals asked for, m.</param>
/// <param name="Redrawn">Draws of starts and goals that gave no demonstration of the wanted mode and were drawn again.</param>
/// <param name="Violation">Largest violation of dynamics, distances and limits over the set, m.</param>
/// <param name="Iterations">Newton steps of the solves that were kept.</param>
public sealed record ExpertDemonstrations(DemonstrationSet Demonstrations, double[] Goals, int Redrawn, double Violation, long Iterations);
