using MimicD.Contracts;

namespace MimicD.Agents;

/// <summary>How a <see cref="ConstantVelocityPolicy"/> moves.</summary>
public sealed record StraightOptions
{
    /// <summary>[m/s], above 0.</summary>
    public required double Speed { get; init; }
}

/// <summary>A policy that is not learned, as plain data: it can be written down, sent, and made again anywhere with the same actions to the bit. Exactly one of the kinds is given.</summary>
public sealed record ScriptedPolicy
{
    /// <summary>The layout of its observations.</summary>
    public required SensorSpec Sensor { get; init; }

    /// <summary>Seconds between ticks, above 0.</summary>
    public required double TimeStep { get; init; }

    /// <summary>Goes straight to its goal (<see cref="ConstantVelocityPolicy"/>), or null.</summary>
    public StraightOptions? Straight { get; init; }

    /// <summary>Goes to its goal and keeps clear (<see cref="ReciprocalPolicy"/>), or null.</summary>
    public ReciprocalOptions? Reciprocal { get; init; }

    /// <summary>Makes the policy.</summary>
    /// <exception cref="InvalidInputException">Not exactly one kind is given, or the policy refuses its sensor or its numbers.</exception>
    public IPolicy Create() => (Straight, Reciprocal) switch
    {
        ({ } straight, null) => new ConstantVelocityPolicy(Sensor, straight.Speed, TimeStep),
        (null, { } reciprocal) => new ReciprocalPolicy(Sensor, reciprocal, TimeStep),
        _ => throw InvalidInputException.Create("policy", "", "straight or reciprocal", Straight is null ? "neither" : "both"),
    };
}

/// <summary>What the policies of a place are made of: a model or a script.</summary>
/// <param name="Model">The model, or null.</param>
/// <param name="Script">The script, or null.</param>
public sealed record PolicySource(Model? Model, ScriptedPolicy? Script);
