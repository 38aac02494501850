using System.Text.Json.Serialization;

namespace MimicD.Bridges.Check;

/// <summary>How a check went.</summary>
[JsonConverter(typeof(JsonStringEnumConverter<CheckVerdict>))]
public enum CheckVerdict
{
    /// <summary>The robot does as the contract says.</summary>
    [JsonStringEnumMemberName("passed")]
    Passed,

    /// <summary>It does not, or it could not be seen.</summary>
    [JsonStringEnumMemberName("failed")]
    Failed,

    /// <summary>There is nothing of that kind to check on this robot.</summary>
    [JsonStringEnumMemberName("does not apply")]
    NotApplicable,
}

/// <summary>What a check found.</summary>
/// <param name="Name">The check's name.</param>
/// <param name="Verdict">How it went.</param>
/// <param name="Detail">What was seen, in one line.</param>
public sealed record CheckOutcome(string Name, CheckVerdict Verdict, string Detail);
