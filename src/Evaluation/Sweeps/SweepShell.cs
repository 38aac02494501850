using System.Text.RegularExpressions;

namespace MimicD.Evaluation.Sweeps;

/// <summary>Command lines as text that a shell reads back.</summary>
public static partial class SweepShell
{
    /// <summary>An argument as it must be typed: quoted where it holds anything that a shell would take apart.</summary>
    public static string Quote(string argument)
    {
        ArgumentNullException.ThrowIfNull(argument);
        return Plain().IsMatch(argument) ? argument : $"'{argument.Replace("'", "'\\''", StringComparison.Ordinal)}'";
    }

    [GeneratedRegex("^[A-Za-z0-9_./:=,+@%-]+$", RegexOptions.CultureInvariant, 1000)]
    private static partial Regex Plain();
}
