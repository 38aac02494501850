namespace MimicD.World.Experts;

/// <summary>Where a swap takes place: what is passed, and which way is above.</summary>
/// <param name="X">First coordinate of what is passed, the disc's centre [m].</param>
/// <param name="Y">Its second coordinate [m].</param>
/// <param name="UpX">First coordinate of the unit vector that points above.</param>
/// <param name="UpY">Its second coordinate.</param>
/// <param name="Span">Distance between the two places that are swapped [m], above 0.</param>
public readonly record struct SwapFrame(double X, double Y, double UpX, double UpY, double Span)
{
    /// <summary>
    /// The frame of a scenario. What is passed is the obstacle that the scenario's slots belong to, otherwise the first one, and where
    /// there is none the point half way between the two nominal starts.
    /// Above is across agent 1's nominal way: towards larger y where the way runs along x, towards larger x where it runs along y.
    /// </summary>
    /// <param name="scenario">One of two agents in the plane.</param>
    public static SwapFrame Of(Scenario scenario)
    {
        ArgumentNullException.ThrowIfNull(scenario);
        var bodies = scenario.NominalBodies();
        var (first, second) = (bodies[0], bodies[1]);
        double[] centre = scenario.Obstacles.Length > 0
            ? scenario.Obstacles[scenario.Contested?.Obstacle ?? 0].Centre
            : [(first.Start[0] + second.Start[0]) / 2, (first.Start[1] + second.Start[1]) / 2];
        var (alongX, alongY) = (first.Goal[0] - first.Start[0], first.Goal[1] - first.Start[1]);
        var span = double.Hypot(alongX, alongY);
        if (span == 0)
        {
            (alongX, alongY) = (second.Start[0] - first.Start[0], second.Start[1] - first.Start[1]);
            span = double.Hypot(alongX, alongY);
        }

        return span == 0 ? new SwapFrame(centre[0], centre[1], 0, 1, 1) : Across(centre[0], centre[1], alongX / span, alongY / span, span);
    }

    /// <summary>How far above the middle a position is [m].</summary>
    internal double Height(double x, double y) => (x - X) * UpX + (y - Y) * UpY;

    private static SwapFrame Across(double x, double y, double alongX, double alongY, double span)
    {
        var flip = Math.Abs(alongX) >= Math.Abs(alongY) ? alongX < 0 : alongY > 0;
        return flip ? new SwapFrame(x, y, alongY, -alongX, span) : new SwapFrame(x, y, -alongY, alongX, span);
    }
}
