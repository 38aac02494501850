using System.Text.Json.Serialization;

namespace MimicD.Contracts;

/// <summary>Coordinates in which a quantity is sensed.</summary>
[JsonConverter(typeof(JsonStringEnumConverter<Frame>))]
public enum Frame
{
    /// <summary>World coordinates [m].</summary>
    [JsonStringEnumMemberName("absolute")]
    Absolute,

    /// <summary>Relative to the agent's own position at that tick, axes parallel to the world's [m].</summary>
    [JsonStringEnumMemberName("relative")]
    Relative,
}

/// <summary>Which other agent fills which slot.</summary>
[JsonConverter(typeof(JsonStringEnumConverter<OtherOrder>))]
public enum OtherOrder
{
    /// <summary>The others by their index, ascending, oneself left out: the agent knows who is who (as in the paper).</summary>
    [JsonStringEnumMemberName("identity")]
    Identity,

    /// <summary>The others by distance, nearest first; ties go to the lower index. The agent does not learn who is who.</summary>
    [JsonStringEnumMemberName("nearest")]
    Nearest,
}

/// <summary>How other agents are sensed.</summary>
public sealed record OthersSpec
{
    /// <summary>Slots (k). Slots beyond the agents in sight are filled with zeros and presence 0. At least 1; in a preset also 0, which is all others of the scenario (<see cref="SensorSpec.FittedTo"/>).</summary>
    public int Count { get; init; } = 1;

    /// <summary>Which other agent fills which slot. Default: nearest first.</summary>
    public OtherOrder Order { get; init; } = OtherOrder.Nearest;

    /// <summary>Coordinates of the positions. Velocities are never made relative. Default: relative.</summary>
    public Frame Frame { get; init; } = Frame.Relative;

    /// <summary>Whether each slot carries a velocity [m/s], as the difference of the last two sensed positions over the time step.</summary>
    public bool Velocity { get; init; }

    /// <summary>
    /// Whether each slot holds of the other all that the frame holds of oneself: velocity, goal and obstacles as the sensor has them for the own part, seen from
    /// the other's place. <see cref="Velocity"/> is then not read. No robot sees where another means to go: this is for a baseline that is meant to know more
    /// than it could. Default: false.
    /// </summary>
    /// <remarks>Not written where it is the default, so that files and checkpoints from before it was there stay as they were.</remarks>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)]
    public bool Full { get; init; }

    /// <summary>Whether each slot ends with 1 (somebody is there) or 0. Needed where an agent may be out of range or dropped.</summary>
    public bool Presence { get; init; }
}

/// <summary>How disc obstacles are sensed: per slot the unit vector towards the centre [D] and the clearance to the surface [m], nearest surface first.</summary>
public sealed record ObstaclesSpec
{
    /// <summary>Slots. Slots beyond the scenario's obstacles are zeros. At least 1; in a preset also 0, which is all of the scenario's (<see cref="SensorSpec.FittedTo"/>).</summary>
    public int Count { get; init; } = 1;
}

/// <summary>
/// The layout of an observation: which numbers an agent senses, in which order. It travels in the model file, and the same
/// sensor builds the training set from demonstrations, so that there is one definition of every feature.
/// </summary>
/// <remarks>
/// One frame, in order: own position [D] (always, absolute); own velocity [D]; own heading (cos, sin); goal [D];
/// for each slot of others: position [D], velocity [D], goal [D], its obstacles, presence [1]; for each slot of obstacles: unit direction [D], clearance [1].
/// Parts that are switched off take no room. What a policy sees is the newest <see cref="History"/> frames, newest first;
/// before the first tick the oldest frame there is stands in.
/// </remarks>
public sealed record SensorSpec
{
    /// <summary>Dimensions of space (D): 2 or 3.</summary>
    public int Dimensions { get; init; } = 2;

    /// <summary>Whether the own velocity [m/s] is sensed: the last displacement over the time step, zero at tick 0.</summary>
    public bool Velocity { get; init; }

    /// <summary>Whether the own heading (cos, sin) is sensed; needs two dimensions.</summary>
    public bool Heading { get; init; }

    /// <summary>Coordinates of the own goal, or null where the goal is not sensed.</summary>
    public Frame? Goal { get; init; }

    /// <summary>How others are sensed, or null where they are not.</summary>
    public OthersSpec? Others { get; init; }

    /// <summary>How obstacles are sensed, or null where they are not.</summary>
    public ObstaclesSpec? Obstacles { get; init; }

    /// <summary>Frames that a policy sees (m): 1 is the present alone. Default: 1.</summary>
    public int History { get; init; } = 1;

    /// <summary>Numbers in one slot of <see cref="Others"/>.</summary>
    [JsonIgnore]
    public int OtherSize => Others is null ? 0 : Dimensions + (OtherVelocity ? Dimensions : 0)
        + (Others.Full ? (Goal is null ? 0 : Dimensions) + ObstaclesSize : 0) + (Others.Presence ? 1 : 0);

    /// <summary>Whether a slot of <see cref="Others"/> has a velocity.</summary>
    [JsonIgnore]
    public bool OtherVelocity => Others is not null && (Others.Full ? Velocity : Others.Velocity);

    /// <summary>Numbers in all slots of <see cref="Obstacles"/>.</summary>
    [JsonIgnore]
    public int ObstaclesSize => (Obstacles?.Count ?? 0) * (Dimensions + 1);

    /// <summary>Numbers in one frame, that is in one <see cref="Observation"/>.</summary>
    [JsonIgnore]
    public int FrameSize => Dimensions + (Velocity ? Dimensions : 0) + (Heading ? 2 : 0) + (Goal is null ? 0 : Dimensions)
        + (Others?.Count ?? 0) * OtherSize + ObstaclesSize;

    /// <summary>The same layout with as many slots as there are others and obstacles where it says 0, and without the part where there are none.</summary>
    /// <param name="agents">Agents an episode (N).</param>
    /// <param name="obstacles">Obstacles of the scenario.</param>
    public SensorSpec FittedTo(int agents, int obstacles) => this with
    {
        Others = Others is not { Count: 0 } ? Others : agents > 1 ? Others with { Count = agents - 1 } : null,
        Obstacles = Obstacles is not { Count: 0 } ? Obstacles : obstacles > 0 ? Obstacles with { Count = obstacles } : null,
    };

    /// <summary>The same layout without any velocity.</summary>
    public SensorSpec WithoutVelocities() => this with { Velocity = false, Others = Others is null ? null : Others with { Velocity = false } };

    /// <summary>Names of a frame's numbers, [<see cref="FrameSize"/>], such as <c>self.position.x</c>, <c>other0.velocity.y</c>, <c>obstacle0.clearance</c>.</summary>
    public string[] FeatureNames()
    {
        var names = new List<string>(FrameSize);
        void Add(string what)
        {
            for (var d = 0; d < Dimensions; d++)
            {
                names.Add($"{what}.{"xyz"[d]}");
            }
        }

        void AddObstacles(string whose)
        {
            for (var k = 0; k < (Obstacles?.Count ?? 0); k++)
            {
                Add($"{whose}obstacle{k}.direction");
                names.Add($"{whose}obstacle{k}.clearance");
            }
        }

        Add("self.position");
        if (Velocity)
        {
            Add("self.velocity");
        }

        if (Heading)
        {
            names.Add("self.heading.cos");
            names.Add("self.heading.sin");
        }

        if (Goal is not null)
        {
            Add("goal");
        }

        for (var k = 0; k < (Others?.Count ?? 0); k++)
        {
            Add($"other{k}.position");
            if (OtherVelocity)
            {
                Add($"other{k}.velocity");
            }

            if (Others!.Full)
            {
                if (Goal is not null)
                {
                    Add($"other{k}.goal");
                }

                AddObstacles($"other{k}.");
            }

            if (Others.Presence)
            {
                names.Add($"other{k}.presence");
            }
        }

        AddObstacles("");
        return [.. names];
    }

    /// <summary>Throws when a value is out of its range.</summary>
    /// <param name="where">The file the values came from.</param>
    /// <exception cref="InvalidInputException">A value is out of range.</exception>
    public void Validate(string where)
    {
        InvalidInputException.Require(Dimensions is 2 or 3, where, "sensor.dimensions", "2 or 3", Dimensions);
        InvalidInputException.Require(!Heading || Dimensions == 2, where, "sensor.heading", "false in three dimensions", Heading);
        InvalidInputException.Require(History is >= 1 and <= 64, where, "sensor.history", "1 to 64", History);
        InvalidInputException.Require(Others is null || Others.Count is >= 1 and <= 4096, where, "sensor.others.count", "1 to 4096", Others?.Count);
        InvalidInputException.Require(Obstacles is null || Obstacles.Count is >= 1 and <= 4096, where, "sensor.obstacles.count", "1 to 4096", Obstacles?.Count);
    }
}
