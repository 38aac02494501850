using System.CommandLine;
using MimicD.Bridges.Faults;

namespace MimicD.Cli;

/// <summary>The option that puts a bad network between emulated robots and their broker.</summary>
internal static class FaultOption
{
    public static readonly Option<string?> Faults = new("--faults") { Description = $"A bad network between emulated robots and the broker, as in delay=20,jitter=200,stall=0.05:500: {FaultSpec.Grammar}.", HelpName = "SPEC" };

    /// <summary>What was asked for, or null.</summary>
    public static FaultSpec? Of(ParseResult parsed) => parsed.GetValue(Faults) is { } text ? FaultSpec.Parse(text, Faults.Name) : null;
}
