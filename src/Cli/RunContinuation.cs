using System.CommandLine;
using System.CommandLine.Parsing;
using MimicD.Contracts;
using MimicD.World;

namespace MimicD.Cli;

/// <summary>
/// How a run begins: anew, where another left off (<c>--resume</c>), or branching from another (<c>--fork</c>). A run that is gone on with is set up again from the arguments that it began with,
/// and what they come to is compared with what they came to then.
/// </summary>
internal sealed class RunContinuation
{
    private const int DefaultKeep = 5;

    public static readonly Option<string?> Replay = new("--replay") { Description = "Drives the world by an event log instead of agents, comparing every tick; no policy is loaded.", HelpName = "LOG" };
    private static readonly Option<int?> Every = new("--snapshot-every") { Description = "Writes a snapshot, from which --resume and --fork go on, every K ticks.", HelpName = "K" };
    private static readonly Option<int?> Keep = new("--keep") { Description = $"Snapshots kept besides the first. [default: {DefaultKeep}]", HelpName = "N" };
    private static readonly Option<bool> Log = new("--log") { Description = $"Writes what crosses the world's boundary to {EventLog.Name}." };
    private static readonly Option<string?> Resume = new("--resume") { Description = "Goes on with the run whose snapshots are in this folder.", HelpName = "DIR" };
    private static readonly Option<string?> Fork = new("--fork") { Description = "Begins a run as the one in this folder went until --at, and goes on with changes by --set or of the sampling; needs --out.", HelpName = "DIR" };
    private static readonly Option<int?> At = new("--at") { Description = "The tick from which on a fork differs.", HelpName = "TICK" };

    // What a run may be told anew when it is gone on with: nothing that its trajectories follow from. A model may lie elsewhere, but must be the same.
    private static readonly string[] Anew = ["--model", "--threads", "--nodes", "--cluster", "--json", "--full", Every.Name, Keep.Name];

    // What another tick of the same run may have differently. Anything else either has no meaning in mid-run (starts, agents) or would measure the past by another rule (obstacles, collision).
    private static readonly string[] Changeable = ["sensing", "sensing.*", "dynamics.maxSpeed", "dynamics.maxTurnRate", "dynamics.maxAcceleration", "pacing", "pacing.*", "steps"];

    private readonly SnapshotFolder? _parent;
    private readonly RunDescription? _description;
    private readonly RunSnapshot? _from;

    private RunContinuation(ParseResult parsed, SnapshotFolder? parent = null, RunDescription? description = null, RunSnapshot? from = null, RunBranch? branch = null)
        => (Parsed, _parent, _description, _from, Branch) = (parsed, parent, description, from, branch);

    /// <summary>The run's arguments.</summary>
    public ParseResult Parsed { get; }

    /// <summary>What has to be done to get to where a fork begins; null where it is none.</summary>
    public RunBranch? Branch { get; }

    /// <summary>Whether the run's own folder is gone on with.</summary>
    public bool GoesOn => _parent is not null;

    /// <summary>The option that asks for an event log.</summary>
    public static Option<bool> LogOption => Log;

    public static void AddTo(Command command)
    {
        foreach (var option in new Option[] { Every, Keep, Log, Resume, Fork, At, Replay })
        {
            command.Options.Add(option);
        }
    }

    /// <summary>Reads how a run is to begin.</summary>
    /// <exception cref="InvalidInputException">An option is out of place or out of range, or there is nothing that can be gone on with.</exception>
    public static RunContinuation Of(ParseResult parsed)
    {
        var (resume, fork) = (parsed.GetValue(Resume), parsed.GetValue(Fork));
        InvalidInputException.Require(resume is null || fork is null, Fork.Name, "", $"either {Fork.Name} or {Resume.Name}", "both");
        InvalidInputException.Require(fork is not null || parsed.GetValue(At) is null, At.Name, "", $"{Fork.Name} beside it", null);
        InvalidInputException.Require(parsed.GetValue(Every) is null or >= 1, Every.Name, "", "1 or more", parsed.GetValue(Every));
        InvalidInputException.Require(parsed.GetValue(Keep) is null or >= 1, Keep.Name, "", "1 or more", parsed.GetValue(Keep));
        InvalidInputException.Require(parsed.GetValue(Keep) is null || parsed.GetValue(Every) is not null || resume is not null || fork is not null, Keep.Name, "", $"{Every.Name} beside it", null);
        return resume is not null ? Resumed(parsed, resume) : fork is not null ? Forked(parsed, fork) : new RunContinuation(parsed);
    }

    /// <summary>Makes ready to keep the run, where that was asked for.</summary>
    /// <param name="output">Folder of its results.</param>
    /// <param name="identity">What its arguments came to.</param>
    /// <exception cref="InvalidInputException">They do not come to what they came to, or the folder holds another run that is not finished.</exception>
    public RunKeeping Open(string output, RunIdentity identity)
    {
        var log = Parsed.GetValue(Log) ? Path.Combine(output, EventLog.Name) : null;
        var every = Parsed.GetValue(Every) ?? 0;
        var keep = Parsed.GetValue(Keep) ?? DefaultKeep;
        if (_parent is not null)
        {
            _description!.Identity.Require(identity, _parent.DescriptionFile);
            Console.Error.WriteLine($"mimicd: going on with {output} from tick {_from!.Tick}");
            return new RunKeeping(_parent, null, _description.BranchedFrom, _from, every, keep, log);
        }

        if (log is not null)
        {
            EventLog.RequireReplaceable(log);
        }

        if (every == 0)
        {
            return new RunKeeping(null, null, null, null, every, keep, log);
        }

        var description = new RunDescription
        {
            Arguments = Arguments(Parsed, o => o.Name is not "--out" and not "--full" and not "--overwrite"),
            Folder = Environment.CurrentDirectory,
            Identity = identity,
            BranchedFrom = Branch?.Summary,
        };
        var text = StrictJson.Format(description) + "\n";
        SnapshotFolder.RequireFree(output, text);
        return new RunKeeping(null, () => SnapshotFolder.Create(output, text), Branch?.Summary, Branch?.Reached, every, keep, log);
    }

    private static RunContinuation Resumed(ParseResult parsed, string run)
    {
        OnlyOptions(parsed, Resume.Name, [.. Anew, Resume.Name]);
        run = Path.GetFullPath(run);
        var folder = SnapshotFolder.Open(run);
        InvalidInputException.Require(!folder.IsFinished, run, "", "a run that is not finished", "one that is");
        folder.Hold();
        try
        {
            var description = RunDescription.Parse(folder);
            var ticks = folder.Ticks;
            InvalidInputException.Require(ticks.Count > 0, run, "", "a run with a snapshot", "none");
            var from = folder.Read(ticks[^1]);
            folder.RequireOwn();
            var again = Again(parsed, description, run, folder.DescriptionFile, Anew, []);
            GoTo(description);
            return new RunContinuation(again, folder, description, from);
        }
        catch
        {
            folder.Dispose();
            throw;
        }
    }

    private static RunContinuation Forked(ParseResult parsed, string run)
    {
        string[] sampling = [.. RunVerb.SamplingOptions.Select(o => o.Name)];
        OnlyOptions(parsed, Fork.Name, [.. Anew, .. sampling, Fork.Name, At.Name, "--set", "--out", "--overwrite", Log.Name]);
        InvalidInputException.Require(parsed.GetValue(At) is not null, Fork.Name, "", $"{At.Name} beside it", null);
        var changes = parsed.CommandResult.Children.OfType<OptionResult>().Where(o => !o.Implicit && (o.Option.Name == "--set" || sampling.Contains(o.Option.Name, StringComparer.Ordinal)))
            .SelectMany(o => o.Tokens.Select(t => (Option: o.Option.Name, t.Value))).ToArray();
        foreach (var change in changes.Where(c => c.Option == "--set"))
        {
            var key = RunVerb.ScenarioChange(change.Value).Key;
            InvalidInputException.Require(Changeable.Any(c => c == key || (c[^1] == '*' && key.StartsWith(c[..^1], StringComparison.Ordinal))), $"--set {change.Value}", "",
                $"a value that can change in mid-run ({string.Join(", ", Changeable.Where(c => !Changeable.Contains(c + ".*", StringComparer.Ordinal)))})", key);
        }

        var output = parsed.CommandResult.Children.OfType<OptionResult>().FirstOrDefault(o => o.Option.Name == "--out")?.Tokens[0].Value;
        InvalidInputException.Require(output is not null, Fork.Name, "", "--out beside it, another folder", null);
        (run, output) = (Path.GetFullPath(run), Path.GetFullPath(output!));
        InvalidInputException.Require(run.TrimEnd('/') != output.TrimEnd('/'), "--out", "", "another folder than that of the run that is branched from", output);
        SnapshotFolder.RequireFree(output);
        using var folder = SnapshotFolder.Open(run);
        var description = RunDescription.Parse(folder);
        var at = parsed.GetValue(At)!.Value;
        var ticks = folder.Ticks;
        InvalidInputException.Require(ticks.Count > 0, run, "", "a run with a snapshot", "none");
        InvalidInputException.Require(at >= ticks[0] && at < description.Identity.Scenario.Steps - 1, At.Name, "", $"{ticks[0]} to {description.Identity.Scenario.Steps - 2}, the ticks of that run", at);
        var from = folder.Read(ticks.Last(t => t <= at));
        var before = Again(parsed, description, output, folder.DescriptionFile, ["--model", "--threads"], ["--json"]);
        var after = Again(parsed, description, output, folder.DescriptionFile, [.. Anew, .. sampling, "--set", Log.Name], ["--json"]);
        GoTo(description);
        return new RunContinuation(after, branch: new RunBranch(before, description, folder.DescriptionFile, from, run, at, [.. changes.Select(c => $"{c.Option} {c.Value}")]));
    }

    /// <summary>The arguments that a run began with, and what the command at hand says instead.</summary>
    /// <param name="parsed">The command at hand.</param>
    /// <param name="description">The run.</param>
    /// <param name="output">Folder of the results.</param>
    /// <param name="where">The description's file.</param>
    /// <param name="instead">Names of options that the command at hand may give instead; <c>--set</c> besides.</param>
    /// <param name="without">Names of options that do not carry over.</param>
    private static ParseResult Again(ParseResult parsed, RunDescription description, string output, string where, string[] instead, string[] without)
    {
        // The paths given here are relative to this folder, those of the run to its own.
        var now = Given(parsed, o => instead.Contains(o.Name, StringComparer.Ordinal));
        for (var i = 1; i < now.Length; i++)
        {
            now[i] = now[i - 1] is "--json" or "--cluster" || (now[i - 1] is "--model" && Repository.IsModelPath(now[i])) ? Path.GetFullPath(now[i]) : now[i];
        }

        var command = parsed.CommandResult.Command;
        var began = command.Parse(description.Arguments);
        var kept = Arguments(began, o => o.Name == "--set" || (!without.Contains(o.Name, StringComparer.Ordinal) && !now.Contains(o.Name, StringComparer.Ordinal)));
        var again = command.Parse([.. kept, .. now, "--out", output]);
        if (began.Errors.Concat(again.Errors).FirstOrDefault() is { } error)
        {
            throw InvalidInputException.Create(where, "arguments", "those of this program's run", error.Message.TrimEnd('.'));
        }

        return again;
    }

    /// <summary>From here on paths are relative to the folder that the run's own are relative to. Where it is gone they are refused by name.</summary>
    private static void GoTo(RunDescription description)
    {
        if (Directory.Exists(description.Folder))
        {
            Environment.CurrentDirectory = description.Folder;
        }
    }

    private static void OnlyOptions(ParseResult parsed, string option, string[] allowed)
    {
        var other = parsed.CommandResult.Children.Select(c => c switch
        {
            ArgumentResult { Tokens: [var token, ..] } => token.Value,
            OptionResult { Implicit: false } o when !allowed.Contains(o.Option.Name, StringComparer.Ordinal) => o.Option.Name,
            _ => null,
        }).FirstOrDefault(o => o is not null);
        InvalidInputException.Require(other is null, option, "", $"nothing but {string.Join(", ", allowed.Where(a => a != option))} beside it (the rest is the run's)", other);
    }

    /// <summary>Arguments as they were given, the defaults left out.</summary>
    private static string[] Arguments(ParseResult parsed, Func<Option, bool> wanted)
        => [.. parsed.CommandResult.Children.OfType<ArgumentResult>().SelectMany(a => a.Tokens).Select(t => t.Value), .. Given(parsed, wanted)];

    private static string[] Given(ParseResult parsed, Func<Option, bool> wanted)
        => [.. parsed.CommandResult.Children.OfType<OptionResult>().Where(o => !o.Implicit && wanted(o.Option))
            .SelectMany(o => o.Tokens.Count == 0 ? [o.Option.Name] : o.Tokens.SelectMany(t => new[] { o.Option.Name, t.Value }))];
}

/// <summary>The way to where a fork begins: the run that it branches from, run on unchanged from its newest snapshot before.</summary>
internal sealed class RunBranch(ParseResult parsed, RunDescription description, string where, RunSnapshot from, string run, int at, string[] changes)
{
    /// <summary>The arguments of the run that is branched from.</summary>
    public ParseResult Parsed => parsed;

    /// <summary>Where the fork begins; null before <see cref="ReachAsync"/>.</summary>
    public RunSnapshot? Reached { get; private set; }

    /// <summary>For the results; null before <see cref="ReachAsync"/>.</summary>
    public BranchSummary? Summary => Reached is null ? null : new BranchSummary(run, at, Rollouts.Hash(Reached.World.Positions), changes);

    /// <summary>Throws unless the run is what it was, and the change possible at this tick.</summary>
    /// <exception cref="InvalidInputException">It is not.</exception>
    public void Require(RunIdentity before, RunIdentity after)
    {
        description.Identity.Require(before, where);
        InvalidInputException.Require(at < after.Scenario.Steps - 1, "--at", "", $"a tick before the fork's last, {after.Scenario.Steps - 1}", at);
        InvalidInputException.Require(before.Sampling == after.Sampling || at % after.Sampling.Block == 0, "--at", "",
            $"a tick at which agents plan anew{(after.Sampling.WarmPeriod is null ? "" : " from pure noise")} (every {after.Sampling.Block}, as many as planned actions are executed) where the sampling changes", at);
    }

    /// <summary>Goes there.</summary>
    /// <param name="simulate">Runs the run that is branched from; told what to change in its options.</param>
    /// <param name="cancellation">Gives up.</param>
    public async Task ReachAsync(Func<Func<SimulationOptions, SimulationOptions>, Task<SimulationResult>> simulate, CancellationToken cancellation)
    {
        if (from.Tick == at)
        {
            Reached = from;
            return;
        }

        await simulate(options => options with { From = from, Until = at, Snapshot = reached => Reached = reached });
        cancellation.ThrowIfCancellationRequested();
    }
}

/// <summary>What is kept of a run while it goes on: its snapshots, its log, both or neither.</summary>
/// <param name="resumed">The snapshots that the run is resumed from, or null.</param>
/// <param name="create">Creates those of a new run, or null.</param>
/// <param name="branched">What it branched from, or null.</param>
/// <param name="from">Where it begins, or null for tick 0.</param>
/// <param name="every">Ticks between snapshots.</param>
/// <param name="keep">How many stay.</param>
/// <param name="log">The log's file, or null.</param>
internal sealed class RunKeeping(SnapshotFolder? resumed, Func<SnapshotFolder>? create, BranchSummary? branched, RunSnapshot? from, int every, int keep, string? log) : IDisposable
{
    private readonly bool _resumed = resumed is not null;
    private SnapshotFolder? _folder = resumed;

    /// <summary>What it branched from, or null.</summary>
    public BranchSummary? Branched => branched;

    /// <summary>What to say to somebody who stopped it.</summary>
    public string Hint => _folder is null ? "" : "; mimicd run --resume with this folder goes on";

    public SimulationOptions Into(SimulationOptions options) => options with
    {
        From = from,
        Snapshot = _folder is null && create is null ? null : Take,
        SnapshotEvery = every,
        Log = log,
        LogGoesOn = _resumed,
    };

    /// <summary>Says that the results are written.</summary>
    public void Finish(string trajectoryHash) => _folder?.Finish(trajectoryHash);

    public void Dispose() => _folder?.Dispose();

    private void Take(RunSnapshot snapshot)
    {
        // Of a new run nothing is written before its first snapshot, so what is refused until then leaves no trace.
        _folder ??= create!();
        if (!_resumed || snapshot.Tick != from!.Tick)
        {
            _folder.Write(snapshot);
            _folder.Prune(keep);
        }
    }
}
