using MimicD.Contracts;

namespace MimicD.World;

/// <summary>Whether a sensor fits a scenario: loading a model into a scenario that it was not made for is an error, not a surprise.</summary>
public static class Compatibility
{
    /// <summary>Reasons, one line each, why the sensor cannot be used in the scenario; empty when it can.</summary>
    public static IReadOnlyList<string> Problems(Scenario scenario, SensorSpec sensor)
    {
        ArgumentNullException.ThrowIfNull(scenario);
        ArgumentNullException.ThrowIfNull(sensor);
        var problems = new List<string>();
        if (sensor.Dimensions != scenario.Dimensions)
        {
            problems.Add($"sensor.dimensions: expected {scenario.Dimensions} as in scenario {scenario.Name}, found {sensor.Dimensions}");
        }

        if (sensor.Others is { Order: OtherOrder.Identity } byIdentity && byIdentity.Count != scenario.Agents - 1)
        {
            problems.Add($"sensor.others.count: expected {scenario.Agents - 1}, the others of scenario {scenario.Name}, because the order is by identity; found {byIdentity.Count}");
        }

        if (sensor.Others is { Presence: false } others)
        {
            if (scenario.Sensing.MayMiss)
            {
                problems.Add($"sensor.others.presence: expected true because others may be unseen in scenario {scenario.Name} (sensing.range or sensing.dropout), found false");
            }
            else if (others.Order == OtherOrder.Nearest && others.Count > scenario.Agents - 1)
            {
                problems.Add($"sensor.others.count: expected at most {scenario.Agents - 1}, the others of scenario {scenario.Name}, because without presence an empty slot would look like an agent; found {others.Count}");
            }
        }

        if (sensor.Obstacles is not null && scenario.Obstacles.Length == 0)
        {
            problems.Add($"sensor.obstacles: expected none because scenario {scenario.Name} has no obstacles, found {sensor.Obstacles.Count} slots");
        }

        return problems;
    }

    /// <summary>Throws on the first problem.</summary>
    /// <exception cref="InvalidInputException">The sensor is out of range or does not fit.</exception>
    public static void Require(Scenario scenario, SensorSpec sensor, string where)
    {
        ArgumentNullException.ThrowIfNull(sensor);
        sensor.Validate(where);
        if (Problems(scenario, sensor) is [var first, ..])
        {
            throw new InvalidInputException($"{where}: {first}");
        }
    }
}
