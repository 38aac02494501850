using System.Text.Json.Serialization;
using MimicD.Contracts;
using MimicD.World;

namespace MimicD.Bridges.Robots;

/// <summary>What the numbers of a robot's observation are.</summary>
[JsonConverter(typeof(JsonStringEnumConverter<ObservationKind>))]
public enum ObservationKind
{
    /// <summary>Its position [D] [m], and where its heading is sensed, cosine and sine. The world senses the rest for it.</summary>
    [JsonStringEnumMemberName("pose")]
    Pose,

    /// <summary>A whole frame of its agent's sensor (<see cref="SensorSpec"/>), all of it sensed by the robot itself.</summary>
    [JsonStringEnumMemberName("frame")]
    Frame,
}

/// <summary>What a robot can do, and what it lets itself be told. It says so itself whenever it connects; its own guard enforces it.</summary>
public sealed record Capabilities
{
    /// <summary>Largest number of numbers in an action or an observation.</summary>
    public const int MaxValues = 4096;

    // A robot that is heard of less often than once an hour is not steered [1/s].
    private const double LowestRate = 1.0 / 3600;

    /// <summary>What the numbers of an action mean.</summary>
    public required ActionKind Action { get; init; }

    /// <summary>Numbers in an action (A).</summary>
    public required int Dimension { get; init; }

    /// <summary>Smallest action [A].</summary>
    public required double[] Min { get; init; }

    /// <summary>Largest action [A].</summary>
    public required double[] Max { get; init; }

    /// <summary>Largest distance of an action from where the robot is [A]: from its present position, or from the control that it applied last.</summary>
    public required double[] Change { get; init; }

    /// <summary>Observations, and commands at most, a second.</summary>
    public required double Rate { get; init; }

    /// <summary>The polygon that it may be sent to, corners [x, y] [m]; null: anywhere. For positions.</summary>
    public double[][]? Geofence { get; init; }

    /// <summary>Longest life of a command [ms]; after this without one the robot stops.</summary>
    public required int TtlMs { get; init; }

    /// <summary>Longest command [bytes].</summary>
    public required int Payload { get; init; }

    /// <summary>What the numbers of an observation are.</summary>
    public required ObservationKind Observation { get; init; }

    /// <summary>Numbers in an observation.</summary>
    public required int Values { get; init; }

    /// <summary>Seconds between observations.</summary>
    [JsonIgnore]
    public double Period => 1 / Rate;

    /// <summary>Throws unless all of it makes sense.</summary>
    /// <exception cref="InvalidInputException">It does not.</exception>
    public void Validate(string where)
    {
        InvalidInputException.Require(Enum.IsDefined(Action), where, "capabilities.action", "position or control", Action);
        InvalidInputException.Require(Dimension is >= 1 and <= MaxValues, where, "capabilities.dimension", $"1 to {MaxValues}", Dimension);
        Numbers(Min, "min", _ => true, "finite");
        Numbers(Max, "max", _ => true, "finite");
        Numbers(Change, "change", x => x > 0, "above 0");
        for (var i = 0; i < Dimension; i++)
        {
            InvalidInputException.Require(Min[i] <= Max[i], where, "capabilities.min", $"at most max ({Max[i]})", Min[i]);
        }

        InvalidInputException.Require(Rate is >= LowestRate and <= 10_000, where, "capabilities.rate", "1/3600 to 10000", Rate);
        InvalidInputException.Require(TtlMs is >= 1 and <= 60_000, where, "capabilities.ttlMs", "1 to 60000", TtlMs);
        InvalidInputException.Require(Payload is >= 64 and <= 1 << 20, where, "capabilities.payload", $"64 to {1 << 20}", Payload);
        InvalidInputException.Require(Enum.IsDefined(Observation), where, "capabilities.observation", "pose or frame", Observation);
        InvalidInputException.Require(Values is >= 1 and <= MaxValues, where, "capabilities.values", $"1 to {MaxValues}", Values);
        if (Geofence is { } fence)
        {
            InvalidInputException.Require(Action == ActionKind.Position && Dimension >= 2, where, "capabilities.geofence", "none where actions are not positions", $"{fence.Length} corners");
            InvalidInputException.Require(fence.Length is >= 3 and <= 256 && Array.TrueForAll(fence, c => c is { Length: 2 } && Math.Abs(c[0]) <= Dynamics.MaxCoordinate && Math.Abs(c[1]) <= Dynamics.MaxCoordinate), where, "capabilities.geofence", $"3 to 256 corners of two numbers up to {Dynamics.MaxCoordinate}", $"{fence.Length} corners");
        }

        void Numbers(double[]? numbers, string field, Func<double, bool> holds, string what)
            => InvalidInputException.Require(
                numbers?.Length == Dimension && Array.TrueForAll(numbers, x => double.IsFinite(x) && holds(x)), where, $"capabilities.{field}", $"{Dimension} numbers, {what}", numbers is null ? null : $"[{string.Join(", ", numbers)}]");
    }

    /// <summary>Whether a point is within the geofence, its edges included, by the even-odd rule: how often a ray to the right crosses edges.</summary>
    public bool Allows(double x, double y)
    {
        if (Geofence is not { } fence)
        {
            return true;
        }

        var inside = false;
        for (int i = 0, j = fence.Length - 1; i < fence.Length; j = i++)
        {
            var (ax, ay, bx, by) = (fence[i][0], fence[i][1], fence[j][0], fence[j][1]);
            var cross = (bx - ax) * (y - ay) - (by - ay) * (x - ax);
            if (cross == 0 && x >= Math.Min(ax, bx) && x <= Math.Max(ax, bx) && y >= Math.Min(ay, by) && y <= Math.Max(ay, by))
            {
                return true;
            }

            // An edge is crossed to the right of the point when the point is on the left of it going up, or on the right going down.
            if ((ay > y) != (by > y) && (cross > 0) == (by > ay))
            {
                inside = !inside;
            }
        }

        return inside;
    }
}
