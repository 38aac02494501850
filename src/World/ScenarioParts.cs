using System.Text.Json.Serialization;
using MimicD.Contracts;
using MimicD.Numerics;

namespace MimicD.World;

/// <summary>A disc (a ball in three dimensions) that no agent may enter.</summary>
/// <param name="Centre">Centre [D] [m].</param>
/// <param name="Radius">Radius [m], above 0.</param>
public sealed record Disc(double[] Centre, double Radius);

/// <summary>One body before its start and goal are spread.</summary>
/// <param name="Start">Nominal start [D] [m].</param>
/// <param name="Goal">Nominal goal [D] [m].</param>
/// <param name="Heading">Heading at the start [rad], not spread; null: towards the goal. Two dimensions only.</param>
public sealed record BodySpec(double[] Start, double[] Goal, double? Heading = null);

/// <summary>N bodies evenly on a circle, each with its goal at the antipode; two dimensions only.</summary>
public sealed record CircleSpec
{
    /// <summary>Bodies (N), 2 to <see cref="Scenario.MaxAgents"/>. Body i starts at the angle 2 pi i / N.</summary>
    public required int Agents { get; init; }

    /// <summary>Smallest radius [m].</summary>
    public required double Radius { get; init; }

    /// <summary>Distance of neighbours at the start [m], kept by a radius that grows with N: R = max(radius, spacing / (2 sin(pi / N))).</summary>
    public required double Spacing { get; init; }

    /// <summary>Centre [2] [m]. Default: the origin.</summary>
    public double[] Centre { get; init; } = [0, 0];

    /// <summary>
    /// Speed [m/s] at which an episode must be long enough to cross the circle: it has at least 2 R / (cruise dt) ticks, whatever the scenario's
    /// steps say. Null: the scenario's steps hold for any N, and a large circle cannot be crossed.
    /// </summary>
    public double? Cruise { get; init; }

    /// <summary>The radius for this number of agents [m].</summary>
    [JsonIgnore]
    public double ActualRadius => Math.Max(Radius, Spacing / (2 * Math.Sin(Math.PI / Agents)));
}

/// <summary>Law of the offsets from a nominal position.</summary>
[JsonConverter(typeof(JsonStringEnumConverter<SpreadKind>))]
public enum SpreadKind
{
    /// <summary>No offset.</summary>
    [JsonStringEnumMemberName("none")]
    None,

    /// <summary>Uniform over [-scale, scale) in every coordinate.</summary>
    [JsonStringEnumMemberName("uniform")]
    Uniform,

    /// <summary>Normal with deviation scale in every coordinate.</summary>
    [JsonStringEnumMemberName("gaussian")]
    Gaussian,
}

/// <summary>How far positions are spread around the nominal ones, each coordinate on its own.</summary>
public sealed record SpreadLaw
{
    /// <summary>Which law.</summary>
    public required SpreadKind Law { get; init; }

    /// <summary>Half width or deviation [m]; unused by <see cref="SpreadKind.None"/>.</summary>
    public double Scale { get; init; }

    /// <summary>
    /// Whether every second agent's offset is that of the agent before it with its first coordinate reversed: places that are mirror images of each other, in which nobody sees a reason to be the one who yields.
    /// </summary>
    /// <remarks>Not written where it is not, so that runs and snapshots from before it was there stay as they were.</remarks>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)]
    public bool Mirrored { get; init; }

    /// <summary>Adds an offset to every coordinate, drawn in their order (the normal numbers in pairs).</summary>
    /// <param name="random">The stream of one agent.</param>
    /// <param name="position">Nominal position [D] on entry, the drawn one on return.</param>
    public void Draw(ref CounterRandom random, Span<double> position)
    {
        switch (Law)
        {
            case SpreadKind.Uniform:
                for (var d = 0; d < position.Length; d++)
                {
                    position[d] += random.NextUniform(-Scale, Scale);
                }

                break;
            case SpreadKind.Gaussian:
                for (var d = 0; d < position.Length; d += 2)
                {
                    var (first, second) = random.NextNormalPair();
                    position[d] += Scale * first;
                    if (d + 1 < position.Length)
                    {
                        position[d + 1] += Scale * second;
                    }
                }

                break;
            default:
                break;
        }
    }

    internal void Validate(string where, string field)
    {
        InvalidInputException.Require(Enum.IsDefined(Law), where, $"{field}.law", "none, uniform or gaussian", Law);
        InvalidInputException.Require(Scale is >= 0 and <= Extent.Most, where, $"{field}.scale", $"0 to {Extent.Most}", Scale);
    }
}

/// <summary>How the demonstrations of a scenario were, or are to be, spread.</summary>
public sealed record DemonstrationsSpec
{
    /// <summary>Law of the starts.</summary>
    public required SpreadLaw Starts { get; init; }

    /// <summary>Law of the goals.</summary>
    public required SpreadLaw Goals { get; init; }
}

/// <summary>A box, coordinate by coordinate. Experts stay inside and pictures show it; the dynamics do not enforce it, leaving it to the agents.</summary>
/// <param name="Low">Lower ends [D] [m]; null where unbounded.</param>
/// <param name="High">Upper ends [D] [m]; null where unbounded.</param>
public sealed record BoundsSpec(double?[] Low, double?[] High);

/// <summary>A pair of thresholds below which an episode counts as collided.</summary>
public sealed record CollisionLimit
{
    /// <summary>Name in tables.</summary>
    public required string Name { get; init; }

    /// <summary>Smallest distance of a pair of agents [m] that is still free.</summary>
    public required double Pair { get; init; }

    /// <summary>Smallest distance to an obstacle's centre [m] that is still free, or null where obstacles do not count.</summary>
    public double? Obstacle { get; init; }
}

/// <summary>What the evaluation reports about collisions.</summary>
public sealed record CollisionSpec
{
    /// <summary>The thresholds to report.</summary>
    public required CollisionLimit[] Limits { get; init; }

    /// <summary>Name of the limit that counts as contact in strict success and in contested failure.</summary>
    public required string Contact { get; init; }

    /// <summary>What the experts keep, where there are experts.</summary>
    public CollisionLimit? Experts { get; init; }

    /// <summary>The limit that <see cref="Contact"/> names.</summary>
    [JsonIgnore]
    public CollisionLimit ContactLimit => Array.Find(Limits, l => l.Name == Contact)
        ?? throw new InvalidInputException($"collision.contact: expected the name of one of the limits, found {Contact}");
}

/// <summary>What a slot is that agents compete for.</summary>
[JsonConverter(typeof(JsonStringEnumConverter<SlotKind>))]
public enum SlotKind
{
    /// <summary>The side on which an obstacle is passed.</summary>
    [JsonStringEnumMemberName("obstacleSide")]
    ObstacleSide,
}

/// <summary>
/// When an episode is contested: more than one agent takes the same slot. An agent's slot is the sign of its offset from the obstacle's centre
/// across the axis, at the step at which its coordinate along the axis is nearest to <see cref="At"/>. Who never comes to that place takes
/// none.
/// </summary>
public sealed record ContestedSpec
{
    /// <summary>What a slot is.</summary>
    public required SlotKind Slot { get; init; }

    /// <summary>Index of the obstacle.</summary>
    public int Obstacle { get; init; }

    /// <summary>The axis along which agents pass: 0 is x, 1 is y.</summary>
    public int Axis { get; init; }

    /// <summary>Coordinate on that axis [m] at which the side is read.</summary>
    public required double At { get; init; }
}

/// <summary>How joint modes are told apart.</summary>
[JsonConverter(typeof(JsonStringEnumConverter<ModeRule>))]
public enum ModeRule
{
    /// <summary>Not at all.</summary>
    [JsonStringEnumMemberName("none")]
    None,

    /// <summary>
    /// The six modes of the two-agent swap, by the sides on which the agents pass; <see cref="Experts.SwapModes.Label"/>.
    /// </summary>
    [JsonStringEnumMemberName("swap")]
    Swap,

    /// <summary>By the signs of the pairwise winding angles; <see cref="WindingModes"/>.</summary>
    [JsonStringEnumMemberName("winding")]
    Winding,

    /// <summary>By the way round the centre of the circle; <see cref="CirculationModes"/>.</summary>
    [JsonStringEnumMemberName("circulation")]
    Circulation,

    /// <summary>
    /// The six modes of the two-agent swap by the published task's rule, for comparison with published figures; <see
    /// cref="Experts.SwapModes.Published"/>.
    /// </summary>
    [JsonStringEnumMemberName("swap-published")]
    SwapPublished,
}

/// <summary>How a body moves.</summary>
[JsonConverter(typeof(JsonStringEnumConverter<DynamicsKind>))]
public enum DynamicsKind
{
    /// <summary>The body goes where it is told, as in the paper.</summary>
    [JsonStringEnumMemberName("kinematic")]
    Kinematic,

    /// <summary>Speed along the heading, and turn rate; two dimensions.</summary>
    [JsonStringEnumMemberName("unicycle")]
    Unicycle,

    /// <summary>Acceleration in every coordinate.</summary>
    [JsonStringEnumMemberName("doubleIntegrator")]
    DoubleIntegrator,
}

/// <summary>What an action means.</summary>
[JsonConverter(typeof(JsonStringEnumConverter<ActionKind>))]
public enum ActionKind
{
    /// <summary>The position wanted at the next tick [D] [m].</summary>
    [JsonStringEnumMemberName("position")]
    Position,

    /// <summary>The dynamics' own controls: velocity [D] [m/s] (kinematic), speed [m/s] and turn rate [rad/s] (unicycle), acceleration [D] [m/s^2] (double integrator).</summary>
    [JsonStringEnumMemberName("control")]
    Control,
}

/// <summary>How bodies move, and what their actions mean.</summary>
public sealed record DynamicsSpec
{
    /// <summary>How a body moves.</summary>
    public required DynamicsKind Kind { get; init; }

    /// <summary>What an action means. Default: the next position.</summary>
    public ActionKind Action { get; init; } = ActionKind.Position;

    /// <summary>Largest speed [m/s]; null is no limit (not with a unicycle).</summary>
    public double? MaxSpeed { get; init; }

    /// <summary>Largest turn rate of a unicycle [rad/s].</summary>
    public double? MaxTurnRate { get; init; }

    /// <summary>Largest acceleration of a double integrator [m/s^2], as a vector's norm.</summary>
    public double? MaxAcceleration { get; init; }

    /// <summary>Numbers in one action.</summary>
    /// <param name="dimensions">Dimensions of space.</param>
    public int ActionSize(int dimensions) => Action == ActionKind.Control && Kind == DynamicsKind.Unicycle ? 2 : dimensions;

    internal void Validate(string where, int dimensions)
    {
        InvalidInputException.Require(Enum.IsDefined(Kind), where, "dynamics.kind", "kinematic, unicycle or doubleIntegrator", Kind);
        InvalidInputException.Require(Enum.IsDefined(Action), where, "dynamics.action", "position or control", Action);
        Limit(MaxSpeed, "maxSpeed", required: Kind == DynamicsKind.Unicycle, allowed: true);
        Limit(MaxTurnRate, "maxTurnRate", required: Kind == DynamicsKind.Unicycle, allowed: Kind == DynamicsKind.Unicycle);
        Limit(MaxAcceleration, "maxAcceleration", required: Kind == DynamicsKind.DoubleIntegrator, allowed: Kind == DynamicsKind.DoubleIntegrator);
        InvalidInputException.Require(Kind != DynamicsKind.Unicycle || dimensions == 2, where, "dynamics.kind", "kinematic or doubleIntegrator in three dimensions", "unicycle");

        void Limit(double? value, string name, bool required, bool allowed)
        {
            InvalidInputException.Require(value is not null || !required, where, $"dynamics.{name}", $"a number above 0 with {EnumNames.Of(Kind)} dynamics", null);
            InvalidInputException.Require(value is null || allowed, where, $"dynamics.{name}", $"no value with {EnumNames.Of(Kind)} dynamics", value);
            InvalidInputException.Require(value is null || Extent.IsLength(value.Value), where, $"dynamics.{name}", $"above 0, at most {Extent.Most}", value);
        }
    }
}

/// <summary>
/// How imperfectly an agent senses the OTHERS. Its own state, its goal and the obstacles are always exact and present.
/// At tick t another agent is sensed as it was <see cref="Delay"/> ticks ago (never before tick 0), with independent Gaussian noise on each
/// coordinate, unless it was out of range then (true distance of the two delayed positions) or is dropped at t.
/// </summary>
public sealed record SensingSpec
{
    /// <summary>Range [m]; null is unlimited.</summary>
    public double? Range { get; init; }

    /// <summary>Deviation of the noise on each coordinate of another's position [m].</summary>
    public double Noise { get; init; }

    /// <summary>Delay [ticks], 0 to 1000.</summary>
    public int Delay { get; init; }

    /// <summary>Probability, 0 to 1, that another is not sensed at a tick; independent over ticks and pairs.</summary>
    public double Dropout { get; init; }

    /// <summary>Whether others are sensed exactly, at once and always.</summary>
    [JsonIgnore]
    public bool IsPerfect => Range is null && Noise == 0 && Delay == 0 && Dropout == 0;

    /// <summary>Whether another may be missing from an observation.</summary>
    [JsonIgnore]
    public bool MayMiss => Range is not null || Dropout > 0;

    internal void Validate(string where)
    {
        InvalidInputException.Require(Range is null || Extent.IsLength(Range.Value), where, "sensing.range", $"above 0, at most {Extent.Most}", Range);
        InvalidInputException.Require(Noise >= 0 && double.IsFinite(Noise), where, "sensing.noise", "0 or more", Noise);
        InvalidInputException.Require(Delay is >= 0 and <= 1000, where, "sensing.delay", "0 to 1000", Delay);
        InvalidInputException.Require(Dropout is >= 0 and <= 1, where, "sensing.dropout", "0 to 1", Dropout);
    }
}

/// <summary>When ticks follow each other.</summary>
[JsonConverter(typeof(JsonStringEnumConverter<PacingKind>))]
public enum PacingKind
{
    /// <summary>As soon as every agent has acted.</summary>
    [JsonStringEnumMemberName("lockstep")]
    Lockstep,

    /// <summary>At a fixed rate; an agent that misses the deadline gets the fallback action.</summary>
    [JsonStringEnumMemberName("realtime")]
    RealTime,
}

/// <summary>When ticks follow each other.</summary>
public sealed record PacingSpec
{
    /// <summary>Which way.</summary>
    public PacingKind Kind { get; init; } = PacingKind.Lockstep;

    /// <summary>Ticks a second in real time; null is one tick a time step.</summary>
    public double? Rate { get; init; }

    /// <summary>Seconds after a tick's opening at which its barrier closes in real time; null is the whole period. At most the period.</summary>
    public double? Deadline { get; init; }

    /// <summary>Seconds between ticks in real time.</summary>
    public double Period(double timeStep) => Rate is { } rate ? 1 / rate : timeStep;

    internal void Validate(string where, double timeStep)
    {
        InvalidInputException.Require(Enum.IsDefined(Kind), where, "pacing.kind", "lockstep or realtime", Kind);
        InvalidInputException.Require(Rate is null || Rate is >= 1 / Scenario.LongestTime and <= 10_000, where, "pacing.rate", $"{1 / Scenario.LongestTime} to 10000", Rate);
        InvalidInputException.Require(Deadline is null || (Deadline > 0 && Deadline <= Period(timeStep)), where, "pacing.deadline", $"above 0, at most the period {Period(timeStep)}", Deadline);
    }
}
