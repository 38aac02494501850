using System.Text.Json.Nodes;
using System.Text.Json.Serialization;
using MimicD.Contracts;
using MimicD.Numerics;

namespace MimicD.World;

/// <summary>What is simulated, as data: read from a JSON file with comments. Everything is checked when it is loaded.</summary>
public sealed record Scenario
{
    /// <summary>Largest number of agents an episode.</summary>
    public const int MaxAgents = 32768;

    /// <summary>Largest number of positions an episode, the start included.</summary>
    public const int MaxSteps = 1_000_000;

    /// <summary>Shortest time step, and shortest period of ticks in real time [s].</summary>
    internal const double ShortestTime = 1e-6;

    /// <summary>Longest time step, and longest period of ticks in real time [s]: what timers can wait for.</summary>
    internal const double LongestTime = 1e6;

    private const int MaxRedraws = 1000;
    private const string AgentsKey = "agents";

    /// <summary>Name; models and demonstrations carry it.</summary>
    public required string Name { get; init; }

    /// <summary>Dimensions of space (D): 2 or 3. Default: 2.</summary>
    public int Dimensions { get; init; } = 2;

    /// <summary>Seconds between ticks (dt).</summary>
    public required double TimeStep { get; init; }

    /// <summary>Positions an episode (T), the start included; so T-1 ticks.</summary>
    public required int Steps { get; init; }

    /// <summary>The bodies one by one; either these or <see cref="Circle"/>.</summary>
    public BodySpec[]? Bodies { get; init; }

    /// <summary>The bodies by a rule, for any N.</summary>
    public CircleSpec? Circle { get; init; }

    /// <summary>Spread of the starts of a run.</summary>
    public SpreadLaw Starts { get; init; } = new() { Law = SpreadKind.None };

    /// <summary>Spread of the goals of a run.</summary>
    public SpreadLaw Goals { get; init; } = new() { Law = SpreadKind.None };

    /// <summary>Distance [m] that all pairs of starts, and all pairs of goals, exceed: an episode's are redrawn together until they do. Default: 0, no redraw.</summary>
    public double Separation { get; init; }

    /// <summary>Spread of the demonstrations, or null where there are none.</summary>
    public DemonstrationsSpec? Demonstrations { get; init; }

    /// <summary>What no agent may enter.</summary>
    public Disc[] Obstacles { get; init; } = [];

    /// <summary>The box the experts keep to, or null.</summary>
    public BoundsSpec? Bounds { get; init; }

    /// <summary>Distance to its goal [m] within which an agent has arrived.</summary>
    public required double GoalTolerance { get; init; }

    /// <summary>Thresholds that the evaluation reports.</summary>
    public required CollisionSpec Collision { get; init; }

    /// <summary>When an episode is contested, or null where that has no meaning.</summary>
    public ContestedSpec? Contested { get; init; }

    /// <summary>How joint modes are told apart. Default: not at all.</summary>
    public ModeRule Modes { get; init; }

    /// <summary>How bodies move.</summary>
    public required DynamicsSpec Dynamics { get; init; }

    /// <summary>How imperfectly others are sensed. Default: perfectly.</summary>
    public SensingSpec Sensing { get; init; } = new();

    /// <summary>The observation of policies that bring no sensor of their own (scripted ones); null: own position alone.</summary>
    public SensorSpec? Features { get; init; }

    /// <summary>When ticks follow each other. Default: lockstep.</summary>
    public PacingSpec Pacing { get; init; } = new();

    /// <summary>Which bodies are robots, or null: all are simulated.</summary>
    public RobotsSpec? Robots { get; init; }

    /// <summary><see cref="Features"/>, or the sensor of the own position alone.</summary>
    [JsonIgnore]
    public SensorSpec DefaultSensor => Features ?? new SensorSpec { Dimensions = Dimensions };

    /// <summary>Agents an episode (N).</summary>
    [JsonIgnore]
    public int Agents => Circle?.Agents ?? Bodies?.Length ?? 0;

    /// <summary>Numbers in one action.</summary>
    [JsonIgnore]
    public int ActionSize => Dynamics.ActionSize(Dimensions);

    /// <summary>Reads and checks a scenario file.</summary>
    /// <exception cref="InvalidInputException">The file cannot be read, is not such JSON, has an unknown key, or a value that is out of range.</exception>
    public static Scenario Load(string path) => Load(path, []);

    /// <summary>Reads and checks a scenario file with changes.</summary>
    /// <param name="path">The file.</param>
    /// <param name="changes">Dotted keys of the file, such as <c>sensing.noise</c>; and <c>agents</c>, which is <see cref="WithAgents"/> and is made last.</param>
    /// <exception cref="InvalidInputException">As for <see cref="Load(string)"/>, or a change is not acceptable.</exception>
    public static Scenario Load(string path, IReadOnlyList<JsonChange> changes)
    {
        ArgumentNullException.ThrowIfNull(changes);
        var (scenario, where) = JsonChange.Read<Scenario>(StrictJson.ReadText(path), path, changes.Where(c => c.Key != AgentsKey));
        scenario = scenario.Fitted();
        JsonChange.Check(changes, where, scenario.Validate);
        foreach (var change in changes.Where(c => c.Key == AgentsKey))
        {
            InvalidInputException.Require(change.Value is JsonValue value && value.TryGetValue<int>(out _), change.Where, "", "a whole number", change.Value?.ToJsonString());
            scenario = scenario.WithAgents(change.Value!.GetValue<int>());
        }

        return scenario;
    }

    /// <summary>Reads and checks a scenario from text.</summary>
    /// <param name="text">JSON with comments.</param>
    /// <param name="where">Named in messages.</param>
    /// <exception cref="InvalidInputException">As for <see cref="Load(string)"/>.</exception>
    public static Scenario Parse(string text, string where)
    {
        var scenario = StrictJson.Parse<Scenario>(text, where).Fitted();
        scenario.Validate(where);
        return scenario;
    }

    /// <summary>The same scenario with another number of agents; on a circle its radius grows with it (and its steps, where <see cref="CircleSpec.Cruise"/> says so; they never shrink below this scenario's).</summary>
    /// <exception cref="InvalidInputException">The bodies are listed one by one and are not that many, or the number is out of range.</exception>
    public Scenario WithAgents(int agents)
    {
        if (Circle is null)
        {
            InvalidInputException.Require(agents == Agents, Name, "agents", $"{Agents} (the scenario lists its bodies)", agents);
            return this;
        }

        var scenario = (this with { Circle = Circle with { Agents = agents } }).Fitted();
        scenario.Validate(Name);
        return scenario;
    }

    /// <summary>The same scenario with another episode length, the start included.</summary>
    /// <exception cref="InvalidInputException">Out of range.</exception>
    public Scenario WithSteps(int steps)
    {
        var scenario = this with { Steps = steps };
        scenario.Validate(Name);
        return scenario;
    }

    /// <summary>Nominal starts and goals, one entry an agent.</summary>
    public BodySpec[] NominalBodies()
    {
        if (Circle is null)
        {
            return Bodies ?? [];
        }

        var radius = Circle.ActualRadius;
        var bodies = new BodySpec[Circle.Agents];
        for (var i = 0; i < bodies.Length; i++)
        {
            var (sin, cos) = Math.SinCos(2 * Math.PI * i / bodies.Length);
            bodies[i] = new BodySpec(
                [Circle.Centre[0] + radius * cos, Circle.Centre[1] + radius * sin],
                [Circle.Centre[0] - radius * cos, Circle.Centre[1] - radius * sin]);
        }

        return bodies;
    }

    /// <summary>Draws the starts of a run, [E,N,D] [m]. Those of an episode depend on the seed and on its index alone, not on how many there are.</summary>
    /// <exception cref="InvalidInputException">The separation cannot be had.</exception>
    public double[] DrawStarts(ulong seed, int episodes) => Draw(seed, RandomPurpose.Starts, Starts, b => b.Start, episodes);

    /// <summary>Draws the goals of a run, as <see cref="DrawStarts"/> draws the starts.</summary>
    /// <exception cref="InvalidInputException">The separation cannot be had.</exception>
    public double[] DrawGoals(ulong seed, int episodes) => Draw(seed, RandomPurpose.Goals, Goals, b => b.Goal, episodes);

    /// <summary>Throws unless every value is in range and all parts fit each other.</summary>
    /// <param name="where">The file.</param>
    /// <exception cref="InvalidInputException">Something does not fit.</exception>
    public void Validate(string where)
    {
        void Require(bool condition, string field, string expected, object? found) => InvalidInputException.Require(condition, where, field, expected, found);
        void Vector(double[]? v, string field)
        {
            Require(v is not null && v.Length == Dimensions, field, $"{Dimensions} numbers", v?.Length);
            Extent.Require(v, where, field);
        }

        void Length(double value, string field) => Require(Extent.IsLength(value), field, $"above 0, at most {Extent.Most}", value);
        void LengthOrNone(double value, string field) => Require(value is >= 0 and <= Extent.Most, field, $"0 to {Extent.Most}", value);

        Names.Require(Name, where, "name");
        Require(Dimensions is 2 or 3, "dimensions", "2 or 3", Dimensions);
        Require(TimeStep > 0, "timeStep", "above 0", TimeStep);
        Require(TimeStep is >= ShortestTime and <= LongestTime, "timeStep", $"{ShortestTime} to {LongestTime} s", TimeStep);
        Require(Steps is >= 2 and <= MaxSteps, "steps", $"2 to {MaxSteps}", Steps);
        Require((Bodies is null) != (Circle is null), "bodies", "either bodies or circle", Bodies is null ? "neither" : "both");
        if (Circle is not null)
        {
            Require(Dimensions == 2, "circle", "two dimensions", Dimensions);
            Require(Circle.Agents is >= 2 and <= MaxAgents, "circle.agents", $"2 to {MaxAgents}", Circle.Agents);
            Length(Circle.Radius, "circle.radius");
            LengthOrNone(Circle.Spacing, "circle.spacing");
            Length(Circle.ActualRadius, "circle.spacing");
            Require(Circle.Cruise is null || Extent.IsLength(Circle.Cruise.Value), "circle.cruise", $"above 0, at most {Extent.Most}", Circle.Cruise);
            Vector(Circle.Centre, "circle.centre");
        }
        else
        {
            Require(Bodies!.Length is >= 1 and <= MaxAgents, "bodies", $"1 to {MaxAgents} bodies", Bodies.Length);
            for (var i = 0; i < Bodies.Length; i++)
            {
                Require(Bodies[i] is not null, $"bodies[{i}]", "a body", null);
                Vector(Bodies[i].Start, $"bodies[{i}].start");
                Vector(Bodies[i].Goal, $"bodies[{i}].goal");
                Require(Bodies[i].Heading is not { } heading || (Dimensions == 2 && double.IsFinite(heading)), $"bodies[{i}].heading", "a finite number, in two dimensions", Bodies[i].Heading);
            }
        }

        Starts.Validate(where, "starts");
        Goals.Validate(where, "goals");
        Demonstrations?.Starts.Validate(where, "demonstrations.starts");
        Demonstrations?.Goals.Validate(where, "demonstrations.goals");
        LengthOrNone(Separation, "separation");
        for (var i = 0; i < Obstacles.Length; i++)
        {
            Require(Obstacles[i] is not null, $"obstacles[{i}]", "a disc", null);
            Vector(Obstacles[i].Centre, $"obstacles[{i}].centre");
            Length(Obstacles[i].Radius, $"obstacles[{i}].radius");
        }

        if (Bounds is not null)
        {
            Require(Bounds.Low is not null && Bounds.Low.Length == Dimensions, "bounds.low", $"{Dimensions} numbers or nulls", Bounds.Low?.Length);
            Require(Bounds.High is not null && Bounds.High.Length == Dimensions, "bounds.high", $"{Dimensions} numbers or nulls", Bounds.High?.Length);
            for (var d = 0; d < Dimensions; d++)
            {
                Require(!(Bounds.Low![d] >= Bounds.High![d]), "bounds", "low below high", $"{Bounds.Low[d]} and {Bounds.High[d]}");
                Extent.Require([Bounds.Low[d] ?? 0], where, "bounds.low");
                Extent.Require([Bounds.High[d] ?? 0], where, "bounds.high");
            }
        }

        Length(GoalTolerance, "goalTolerance");
        RequireResolution(where);
        Require(Collision.Limits.Length >= 1, "collision.limits", "at least one limit", 0);
        foreach (var limit in Collision.Experts is null ? Collision.Limits : [.. Collision.Limits, Collision.Experts])
        {
            Require(limit is not null, "collision.limits", "limits with names", null);
            Names.Require(limit!.Name, where, "collision.limits: name");
            Length(limit.Pair, $"collision '{limit.Name}': pair");
            Length(limit.Obstacle ?? Extent.Most, $"collision '{limit.Name}': obstacle");
        }

        Require(Collision.Limits.Select(l => l.Name).Distinct(StringComparer.Ordinal).Count() == Collision.Limits.Length, "collision.limits", "different names", "a name twice");
        Require(Array.Exists(Collision.Limits, l => l.Name == Collision.Contact), "collision.contact", "the name of one of the limits", Collision.Contact);
        if (Contested is not null)
        {
            Require(Enum.IsDefined(Contested.Slot), "contested.slot", "obstacleSide", Contested.Slot);
            Require(Contested.Obstacle >= 0 && Contested.Obstacle < Obstacles.Length, "contested.obstacle", $"an index below {Obstacles.Length}, the number of obstacles", Contested.Obstacle);
            Require(Dimensions == 2 && Contested.Axis is 0 or 1, "contested.axis", "0 or 1, in two dimensions", Contested.Axis);
            Extent.Require([Contested.At], where, "contested.at");
        }

        Require(Enum.IsDefined(Modes), "modes", "none, swap, swap-published, winding or circulation", Modes);
        Require(Modes is not (ModeRule.Swap or ModeRule.SwapPublished) || (Agents == 2 && Dimensions == 2), "modes", "two agents in two dimensions with swap", $"{Agents} agents");
        Require(Modes != ModeRule.Winding || (Agents is >= 2 and <= WindingModes.MaxAgents && Dimensions == 2), "modes", $"2 to {WindingModes.MaxAgents} agents in two dimensions with winding", $"{Agents} agents");
        Require(Modes != ModeRule.Circulation || Circle is not null, "modes", "a circle with circulation", "bodies");
        Dynamics.Validate(where, Dimensions);
        Sensing.Validate(where);
        Pacing.Validate(where, TimeStep);
        Robots?.Validate(where, Agents);
        Require(Robots is null || Sensing is { Noise: 0, Delay: 0, Dropout: 0 }, "sensing", "no noise, delay or dropout beside robots, whose own sensing is what it is", "some");
        if (Features is not null)
        {
            Compatibility.Require(this, Features, $"{where}: features");
        }
    }

    private void RequireResolution(string where)
    {
        void Resolved(string field, params ReadOnlySpan<double> coordinates) => PositionResolution.Require(coordinates, GoalTolerance, where, field);

        foreach (var (i, body) in (Bodies ?? []).Index())
        {
            Resolved($"bodies[{i}].start", body.Start);
            Resolved($"bodies[{i}].goal", body.Goal);
        }

        if (Circle is not null)
        {
            Resolved("circle", Math.Abs(Circle.Centre[0]) + Circle.ActualRadius, Math.Abs(Circle.Centre[1]) + Circle.ActualRadius);
        }

        foreach (var (i, obstacle) in Obstacles.Index())
        {
            Resolved($"obstacles[{i}].centre", obstacle.Centre);
        }

        foreach (var end in Bounds is null ? [] : Bounds.Low.Concat(Bounds.High).Where(end => end is not null))
        {
            Resolved("bounds", end!.Value);
        }
    }

    private Scenario Fitted()
    {
        if (Circle is not { Cruise: > 0 and var cruise, Agents: >= 2 and <= MaxAgents } || !(TimeStep > 0))
        {
            return this;
        }

        // Absurdly many are cut so that they fit an int, and refused as steps out of range.
        var ticks = (int)Math.Min(1e9, Math.Ceiling(2 * Circle.ActualRadius / (cruise * TimeStep)));
        return ticks + 1 > Steps ? this with { Steps = ticks + 1 } : this;
    }

    private double[] Draw(ulong seed, RandomPurpose purpose, SpreadLaw law, Func<BodySpec, double[]> nominal, int episodes)
    {
        var bodies = NominalBodies();
        var size = bodies.Length * Dimensions;
        var drawn = new double[checked(episodes * size)];
        for (var e = 0; e < episodes; e++)
        {
            var positions = drawn.AsSpan(e * size, size);
            for (var attempt = 0; ; attempt++)
            {
                for (var i = 0; i < bodies.Length; i++)
                {
                    var random = new CounterRandom(seed, purpose, attempt, i, e);
                    var position = positions.Slice(i * Dimensions, Dimensions);
                    nominal(bodies[i]).CopyTo(position);
                    if (law.Mirrored && i % 2 == 1)
                    {
                        Mirror(positions.Slice((i - 1) * Dimensions, Dimensions), nominal(bodies[i - 1]), position);
                    }
                    else
                    {
                        law.Draw(ref random, position);
                    }
                }

                if (Separation == 0 || SmallestDistance(positions) > Separation)
                {
                    break;
                }

                if (attempt == MaxRedraws || law.Law == SpreadKind.None)
                {
                    throw new InvalidInputException($"{Name}: separation: no {purpose} with all pairs more than {Separation} m apart in {attempt + 1} draws of episode {e}");
                }
            }
        }

        return drawn;
    }

    /// <summary>Adds another's offset from its nominal place, the first coordinate reversed.</summary>
    private static void Mirror(ReadOnlySpan<double> other, ReadOnlySpan<double> nominal, Span<double> position)
    {
        for (var d = 0; d < position.Length; d++)
        {
            position[d] += (d == 0 ? -1 : 1) * (other[d] - nominal[d]);
        }
    }

    private double SmallestDistance(ReadOnlySpan<double> positions)
    {
        var smallest = double.PositiveInfinity;
        for (var i = 0; i < positions.Length; i += Dimensions)
        {
            for (var j = 0; j < i; j += Dimensions)
            {
                smallest = Math.Min(smallest, Vectors.SquaredDistance(positions.Slice(i, Dimensions), positions.Slice(j, Dimensions)));
            }
        }

        return Math.Sqrt(smallest);
    }
}
