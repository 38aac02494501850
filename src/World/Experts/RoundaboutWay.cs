namespace MimicD.World.Experts;

/// <summary>The shortest way round a disc in a given sense: a tangent to it, an arc of its edge, a tangent to the goal. The straight line where that passes the disc on the right side anyway.</summary>
internal sealed class RoundaboutWay
{
    private readonly double[] _start;
    private readonly double[] _goal;
    private readonly double[] _centre;
    private readonly double _radius;
    private readonly double _sense;
    private readonly double _on;
    private readonly double _arc;
    private readonly double _first;
    private readonly double _last;

    /// <summary>Works out the way.</summary>
    /// <param name="centre">Of the disc, [2] [m].</param>
    /// <param name="radius">Of the disc [m]; start and goal lie outside, or else on its edge.</param>
    /// <param name="mode">A sense of <see cref="CirculationModes"/>.</param>
    /// <param name="start">[2] [m].</param>
    /// <param name="goal">[2] [m].</param>
    public RoundaboutWay(ReadOnlySpan<double> centre, double radius, int mode, ReadOnlySpan<double> start, ReadOnlySpan<double> goal)
    {
        (_centre, _start, _goal) = (centre.ToArray(), start.ToArray(), goal.ToArray());
        _radius = radius;
        _sense = mode == CirculationModes.CounterClockwise ? 1 : -1;
        (double from, double before) = Tangent(start);
        (double to, double after) = Tangent(goal);
        _on = from + (_sense * before);
        double turn = _sense * (to - (_sense * after) - _on);
        turn -= 2 * Math.PI * Math.Floor(turn / (2 * Math.PI));
        bool straight = turn > Math.PI;
        _arc = straight ? 0 : turn;
        _first = straight ? Distance(start, goal) : radius * Math.Tan(before);
        _last = straight ? 0 : radius * Math.Tan(after);
        Length = _first + (radius * _arc) + _last;
    }

    /// <summary>Of the whole way [m].</summary>
    public double Length { get; }

    /// <summary>Places along the way, every so far, and then at rest at its end.</summary>
    /// <param name="step">Metres between two places.</param>
    /// <param name="count">Places (T).</param>
    /// <returns>Position [m] and heading [rad, without jumps], [T, 3].</returns>
    public double[] At(double step, int count)
    {
        var way = new double[3 * count];
        double entry = _arc > 0 || _last > 0 ? _on + (_sense * Math.PI / 2) : Math.Atan2(_goal[1] - _start[1], _goal[0] - _start[0]);
        for (int k = 0; k < count; k++)
        {
            double at = Math.Min(k * step, Length);
            double turned = Math.Clamp((at - _first) / _radius, 0, _arc);
            double heading = entry + (_sense * turned);
            if (at <= _first)
            {
                (way[3 * k], way[(3 * k) + 1]) = (_start[0] + (at * Math.Cos(heading)), _start[1] + (at * Math.Sin(heading)));
            }
            else
            {
                double beyond = Math.Max(at - _first - (_radius * _arc), 0);
                double angle = _on + (_sense * turned);
                (way[3 * k], way[(3 * k) + 1]) = (_centre[0] + (_radius * Math.Cos(angle)) + (beyond * Math.Cos(heading)), _centre[1] + (_radius * Math.Sin(angle)) + (beyond * Math.Sin(heading)));
            }

            way[(3 * k) + 2] = heading;
        }

        return way;
    }

    /// <summary>Direction of a place from the centre, and the angle from there to where a tangent from it touches the disc.</summary>
    private (double Angle, double ToTouch) Tangent(ReadOnlySpan<double> place)
        => (Math.Atan2(place[1] - _centre[1], place[0] - _centre[0]), Math.Acos(Math.Min(1, _radius / Distance(place, _centre))));

    private static double Distance(ReadOnlySpan<double> a, ReadOnlySpan<double> b) => Math.Sqrt(Vectors.SquaredDistance(a, b));
}
