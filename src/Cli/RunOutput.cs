using System.CommandLine;
using MimicD.Contracts;
using MimicD.Evaluation;
using MimicD.Evaluation.Report;
using MimicD.Numerics;
using MimicD.World;

namespace MimicD.Cli;

/// <summary>The folder of a run's results, claimed by this process: no other run writes there, and nothing is replaced that no run of this program wrote.</summary>
internal sealed class RunOutput : IDisposable
{
    /// <summary>The file that says, by being there, that the results are complete.</summary>
    public const string ResultName = "result.json";

    private static readonly string[] Results = [RolloutFile.Name, OutcomesFile.Name, "trajectories.svg", "overlay.svg", ResultName];
    private readonly OutputClaim _claim;
    private readonly bool _proven;

    private RunOutput(string folder, OutputClaim claim, bool proven) => (Folder, _claim, _proven) = (folder, claim, proven);

    /// <summary>The folder.</summary>
    public string Folder { get; }

    /// <summary>Replaces results that took work; for verbs whose <c>--out</c> is such an output.</summary>
    public static Option<bool> Overwrite(string what) => new("--overwrite") { Description = $"Replaces {what} that is there already." };

    /// <summary>Claims a folder before any work is done.</summary>
    /// <param name="asked">What <c>--out</c> says; null: the default, whose earlier results are replaced.</param>
    /// <param name="standard">The default.</param>
    /// <param name="overwrite">Whether results that are there may be replaced.</param>
    /// <param name="goesOn">Whether it is the folder of the very run that is gone on with.</param>
    /// <param name="log">Whether an event log is written.</param>
    /// <exception cref="InvalidInputException">Another run is at work there, or it holds what must not be replaced.</exception>
    public static RunOutput Claim(string? asked, string standard, bool overwrite, bool goesOn = false, bool log = false)
    {
        var folder = asked ?? standard;
        var claim = OutputClaim.OfFolder(folder, "--out");
        try
        {
            var result = Path.Combine(folder, ResultName);
            InvalidInputException.Require(asked is null || overwrite || goesOn || !File.Exists(result), $"--out {folder}", "", "a folder without the results of a run (--overwrite replaces them)", ResultName);
            if (!goesOn)
            {
                // Whoever resumed that run would replace the results of this one.
                SnapshotFolder.RequireFree(folder);
            }

            // Results from before there were ledgers prove themselves.
            var proven = RunFolder.Is(folder) && StrictJson.ReadText(result).Contains("\"trajectoryHash\":", StringComparison.Ordinal);
            var output = new RunOutput(folder, claim, proven);
            output._claim.RequireOwn([.. Results, .. log ? [EventLog.Name] : Array.Empty<string>()], proven);
            if (log)
            {
                output._claim.WillMake([EventLog.Name], proven);
            }

            return output;
        }
        catch
        {
            claim.Dispose();
            throw;
        }
    }

    /// <summary>To be called before the first result is written: the results of an earlier run are no longer complete.</summary>
    /// <param name="all">Whether all results are written; otherwise none but <see cref="ResultName"/> is, and no others stay beside it.</param>
    public void Begin(bool all = true)
    {
        _claim.WillMake(Results, _proven);
        foreach (var name in all ? [ResultName] : Results)
        {
            _claim.Delete(name);
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _claim.Dispose();
}
