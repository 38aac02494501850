using System.CommandLine;
using System.Globalization;
using System.Text.Json.Serialization;
using MimicD.Agents;
using MimicD.Cluster;
using MimicD.Contracts;
using MimicD.Evaluation;
using MimicD.Numerics;
using MimicD.World;

namespace MimicD.Cli;

/// <summary><c>mimicd run</c>: lets agents act, says how they did, and draws what happened.</summary>
internal static class RunVerb
{
    private const int MaxEpisodes = 1_000_000;

    private static readonly Argument<string?> ScenarioFile = new("SCENARIO") { Description = "What is simulated. [default: the shipped scenarios/swap.json]", Arity = ArgumentArity.ZeroOrOne };
    private static readonly Option<string?> ModelFile = new("--model") { Description = "The agents' policies. [default for swap, mirror-swap, road and ring: the shipped one]", HelpName = "FILE" };
    private static readonly Option<string?> ScriptedPolicy = new("--policy") { Description = "A scripted policy instead of a model: straight (go straight to the goal) or reciprocal (and keep clear of others and obstacles).", HelpName = "NAME" };
    private static readonly Option<string[]> Partners = new("--partner") { Description = $"Somebody else in one agent's place, counted from 1, as in 2=straight: {Partner.Choices}. May be given several times.", HelpName = "PLACE=WHO", DefaultValueFactory = _ => [] };
    private static readonly Option<int> Episodes = new("--episodes") { Description = "Episodes, which advance side by side.", HelpName = "N", DefaultValueFactory = _ => 100 };
    private static readonly Option<int?> Agents = Options.Agents();
    private static readonly Option<string[]> Set = new("--set") { Description = "Changes one value of the scenario, as in scenario.sensing.noise=0.1. May be given several times.", HelpName = "scenario.KEY=VALUE", DefaultValueFactory = _ => [] };
    private static readonly Option<string?> Output = new("--out") { Description = "Folder for rollouts.npz, outcomes.csv, result.json and the pictures. [default: runs/latest in the repository]", HelpName = "DIR" };
    private static readonly Option<string?> Starts = new("--starts") { Description = "Starts [episodes, agents, D] instead of drawn ones; or demonstrations, whose starts are taken in turn.", HelpName = "FILE.npy|DIR" };
    private static readonly Option<string?> Goals = new("--goals") { Description = "Goals [episodes, agents, D] instead of drawn ones; or demonstrations, whose ends are taken in turn.", HelpName = "FILE.npy|DIR" };
    private static readonly Option<string?> Demonstrations = new("--demos") { Description = "Demonstrations to compare with, instead of what the model remembers of its own.", HelpName = "DIR" };
    private static readonly Option<string?> Solver = new("--solver") { Description = "euler or heun. [default: the model's]", HelpName = "NAME" };
    private static readonly Option<int?> Steps = new("--steps") { Description = "Noise levels of the sampler. [default: the model's]", HelpName = "N" };
    private static readonly Option<int?> Execute = new("--execute") { Description = "Planned actions executed before the next plan. [default: the model's]", HelpName = "N" };
    private static readonly Option<string?> Noise = new("--noise") { Description = "fresh, held or ar1: a plan's noise over replans. [default: the model's]", HelpName = "MODE" };
    private static readonly Option<double?> Temperature = new("--temperature") { Description = "Scale of the noise a plan starts from, 0 to 1. [default: the model's]", HelpName = "T" };
    private static readonly Option<double?> Correlation = new("--correlation") { Description = "rho of ar1. [default: the model's]", HelpName = "RHO" };
    private static readonly Option<string?> ModeFrom = new("--mode-from") { Description = "seed or seen: whether the joint mode follows from the run's seed alone or also from what the agent sees. [default: the model's]", HelpName = "SOURCE" };
    private static readonly Option<double?> ModeHold = new("--mode-hold") { Description = "Nats by which the seed's mode is preferred to what is seen. [default: the model's]", HelpName = "NATS" };
    private static readonly Option<double?> Guidance = new("--guidance") { Description = "Weight of classifier-free guidance on the joint mode; 1 is none. [default: the model's]", HelpName = "W" };
    private static readonly Option<bool?> Predict = new("--predict") { Description = "Whether the plan among several is chosen for others who plan as oneself would in their place (true), or who go on as they do (false). [default: the model's]", HelpName = "BOOL" };
    private static readonly Option<int?> Candidates = new("--candidates") { Description = "Plans sampled to act by the one that stays farthest from the others in sight; 1 is one plan. [default: the model's]", HelpName = "K" };
    private static readonly Option<int?> WarmPeriod = new("--warm-period") { Description = "All but every so many-th plan start from the last one; 1 is none. [default: the model's]", HelpName = "R" };
    private static readonly Option<bool?> Projection = new("--project") { Description = "true or false: whether actions pass the safety projection that goes with the scenario. [default: the model's]", HelpName = "BOOL" };
    private static readonly Option<bool?> SharedNoise = new("--shared-noise") { Description = "true or false: whether all agents of an episode plan from the same noise. [default: the model's]", HelpName = "BOOL" };
    private static readonly Option<string?> ClusterFile = new("--cluster") { Description = "The agents live on the nodes of this cluster instead of in this process; the result is the same.", HelpName = "FILE" };
    private static readonly Option<int?> Nodes = new("--nodes") { Description = "Starts so many nodes on this machine, and a private broker where no cluster names one.", HelpName = "N" };
    private static readonly Option<bool> Full = FiguresTable.Full();
    private static readonly Option<ulong> Seed = Options.Seed();
    private static readonly Option<int> Threads = Options.Threads();
    private static readonly Option<string?> Json = Options.Json();

    public static Command Create()
    {
        var command = new Command("run", """
            Lets agents act in a scenario, each on nothing but its own observation; prints how they did and draws what happened.
            Ctrl-C stops at the next tick and keeps what is done.

            Examples: mimicd run
                      mimicd run scenarios/swap.json --model models/swap.safetensors --episodes 1000 --seed 0 --out runs/swap
                      mimicd run scenarios/ring.json --policy straight --agents 64 --episodes 4
                      mimicd run --snapshot-every 10 --out runs/swap, and after a crash: mimicd run --resume runs/swap
                      mimicd run --nodes 4
            """)
        {
            ScenarioFile, ModelFile, ScriptedPolicy, Partners, Episodes, Agents, Set, Seed, Output, Json, Threads, Starts, Goals, Demonstrations, Solver, Steps, Execute, Noise, Correlation, Temperature, SharedNoise, ModeFrom, ModeHold, Guidance, Candidates, Predict, WarmPeriod, Projection, ClusterFile, Nodes, Full,
        };
        RunContinuation.AddTo(command);
        command.SetAction(RunAsync);
        return command;
    }

    /// <summary>The shipped models by scenario.</summary>
    private static readonly Dictionary<string, string> Shipped = new(StringComparer.Ordinal) { ["swap"] = "swap", ["swap-robots"] = "swap", ["mirror-swap"] = "swap", ["road"] = "road", ["road-authors"] = "road", ["ring"] = "ring" };

    /// <summary>Options that say who acts.</summary>
    public static Option[] CrewOptions => [ModelFile, ScriptedPolicy];

    /// <summary>The option that changes a scenario's values.</summary>
    public static Option<string[]> SetOption => Set;

    /// <summary>Options that say how plans are sampled.</summary>
    public static Option[] SamplingOptions => [Solver, Steps, Execute, Noise, Temperature, Correlation, SharedNoise, ModeFrom, ModeHold, Guidance, Candidates, Predict, WarmPeriod, Projection];

    private static async Task<int> RunAsync(ParseResult parsed, CancellationToken cancellation)
    {
        if (RunReplay.IsAsked(parsed))
        {
            return RunReplay.Run(parsed, cancellation);
        }

        // Everything that can be refused is refused before the first tick.
        var continuation = RunContinuation.Of(parsed);
        parsed = continuation.Parsed;
        var (scenarioFile, scenario, episodes, threads, crew, partners, cast, baseline, identity, options) = Setup.Load(parsed);
        int? nodes = parsed.GetValue(Nodes) is { } count ? Options.Between(count, 1, Quarters.MaxNodes, "--nodes") : null;
        var before = continuation.Branch is null ? null : Setup.Load(continuation.Branch.Parsed);
        continuation.Branch?.Require(before!.Identity, identity);
        var output = Options.Writable(parsed.GetValue(Output) ?? Repository.File("runs", "latest"), "--out");
        var json = Options.WritableFile(parsed.GetValue(Json), "--json");
        if (continuation.Branch is { } branch && before is not null)
        {
            await using var until = new LocalHost(before.Cast.Policy, threads);
            await branch.ReachAsync(toTick => Simulation.RunAsync(before.Scenario, before.Cast.Sensor, toTick(before.Options), until, null, cancellation), cancellation);
        }

        using var kept = continuation.Open(output, identity);
        options = kept.Into(options);
        RunLimits.Require(RunLimits.SizeOf(scenario, cast.Sensor, options), scenario.Name);

        await using var quarters = await Quarters.PrepareAsync(parsed.GetValue(ClusterFile), nodes, cast, scenario, threads, cancellation);
        Console.Error.WriteLine($"{scenario.Name}: {episodes} episodes of {scenario.Agents} agents, {crew.Name}{string.Concat(partners.Select(p => $", place {p.Agent + 1}: {p.Who}"))}, seed {options.Seed}");
        var result = await quarters.KeepAsync(
            running => Terminal.ProgressAsync(scenario.Name, "ticks", scenario.Steps - 1, progress => Simulation.RunAsync(scenario, cast.Sensor, options, quarters.Host, new Ticks(progress), running)), cancellation);

        var paths = PathSet.Create<float>(result.Positions.Data, result.Positions.Shape, scenario.Name);
        // Of a run that was stopped, too: what stopped it must not stop this.
        var figures = Figures.Compute(scenario, paths, result.Goals.Data, baseline, cancellationToken: CancellationToken.None);
        var seconds = Math.Max(result.WallSeconds, 1e-9); // of a run that was stopped before it began
        var speed = new RunSpeed(result.WallSeconds, (double)episodes * scenario.Agents * result.StepsDone / seconds, result.Host.Plans / seconds, threads);
        // Counted at both ends: what came to the agents' mailboxes and was not sent by the world would have come from an agent.
        var messages = new RunMessages(result.Counts.Observations, result.Counts.Actions, result.Host.Messages - result.Counts.Observations);
        Print(result, options, figures, baseline, parsed.GetValue(Full), speed, messages, quarters.Report);
        var summary = new RunResult(
            Path.GetFullPath(scenarioFile), scenario, crew.ModelSummary, crew.Policy, [.. partners.Select(p => new PartnerSummary(p.Agent + 1, p.Who, p.Identity))], options.Seed, options.Sampling, episodes, scenario.Agents, result.StepsDone, result.Completed,
            result.TrajectoryHash, result.Counts, result.Host, messages, speed, baseline, figures, quarters.Report, Nested(result.Starts), Nested(result.Goals), kept.Branched);
        RunFiles.Save(output, scenario, result.ToRollouts(), paths, figures);
        RunFiles.Write(Path.Combine(output, "result.json"), StrictJson.Format(summary) + "\n");
        if (json is not null)
        {
            RunFiles.Write(json, StrictJson.Format(summary) + "\n");
        }

        if (!result.Completed)
        {
            var why = quarters.Failure is { } failure ? $"{failure}; " : "";
            Console.Error.WriteLine($"mimicd: {why}stopped after tick {result.StepsDone} of {scenario.Steps - 1}; the figures are of what was done until then{kept.Hint}");
            return quarters.Failure is null ? CommandLine.Interrupted : CommandLine.Failure;
        }

        kept.Finish(result.TrajectoryHash);
        return 0;
    }

    /// <summary>What the options of a run amount to.</summary>
    private sealed record Setup(string ScenarioFile, Scenario Scenario, int Episodes, int Threads, Crew Crew, Partner[] Partners, Cast Cast, Baseline? Baseline, RunIdentity Identity, SimulationOptions Options)
    {
        public static Setup Load(ParseResult parsed)
        {
            var scenarioFile = parsed.GetValue(RunVerb.ScenarioFile) ?? Repository.File("scenarios", "swap.json");
            var scenario = Scenario.Load(scenarioFile, [.. parsed.GetValue(Set)!.Select(ScenarioChange)]);
            InvalidInputException.Require(scenario.Robots is null, scenarioFile, "robots", "none, for a simulation (mimicd bridge connects robots; --set scenario.robots=null simulates them)", "some");
            if (parsed.GetValue(Agents) is { } agents)
            {
                scenario = scenario.WithAgents(agents);
            }

            var episodes = Cli.Options.Between(parsed.GetValue(RunVerb.Episodes), 1, MaxEpisodes, "--episodes");
            var threads = Cli.Options.Between(parsed.GetValue(RunVerb.Threads), 1, 1024, "--threads");
            var crew = Crew.Load(parsed, scenario);
            Partner[] partners = [.. parsed.GetValue(RunVerb.Partners)!.Select(p => Partner.Parse(p, scenario, "--partner"))];
            var cast = new Cast(scenario, crew.Player, partners);
            var size = RunLimits.SizeOf(scenario, cast.Sensor, cast.Into(new SimulationOptions { Episodes = episodes })) with { Results = true, AgentsHere = parsed.GetValue(ClusterFile) is null && parsed.GetValue(Nodes) is null };
            RunLimits.Require(size, scenario.Name);
            var starts = Places(parsed.GetValue(Starts), "--starts", episodes, scenario, last: false);
            var goals = Places(parsed.GetValue(Goals), "--goals", episodes, scenario, last: true);
            var baseline = parsed.GetValue(Demonstrations) is { } folder ? EvaluateVerb.Load(folder, scenario) : Baseline.Of(crew.Model?.Spec.Provenance);
            var options = cast.Into(new SimulationOptions { Seed = parsed.GetValue(Seed), Episodes = episodes, Starts = starts, Goals = goals, Threads = threads });
            var identity = new RunIdentity(
                scenario, crew.Model?.Sha256, crew.Policy, [.. partners.Select(p => new PartnerIdentity(p.Agent + 1, p.Identity))], options.Seed, episodes, options.Sampling,
                RunIdentity.HashOf(starts), RunIdentity.HashOf(goals), RunIdentity.HashOf(baseline));
            return new Setup(scenarioFile, scenario, episodes, threads, crew, partners, cast, baseline, identity, options);
        }
    }

    /// <summary>Reads <c>scenario.KEY=VALUE</c>; the key is then the scenario's own.</summary>
    public static JsonChange ScenarioChange(string text)
    {
        const string Prefix = "scenario.";
        var change = JsonChange.Parse(text, "--set");
        InvalidInputException.Require(change.Key.StartsWith(Prefix, StringComparison.Ordinal), "--set", "", "scenario.KEY=VALUE", text);
        return change with { Key = change.Key[Prefix.Length..] };
    }

    private static void Print(SimulationResult result, SimulationOptions options, Figures figures, Baseline? baseline, bool full, RunSpeed speed, RunMessages messages, ClusterReport? cluster)
    {
        var table = FiguresTable.Create(figures, baseline, full);
        void Row(string name, string value) => table.Row(name, value, "", "");
        Row("agent-steps/s", speed.AgentStepsPerSecond.ToString("N0", CultureInfo.InvariantCulture));
        Row("plans/s", speed.PlansPerSecond.ToString("N0", CultureInfo.InvariantCulture));
        Row("agents restarted, times", Terminal.Whole(result.Host.Restarts));
        Row("agents stopped", Terminal.Whole(result.Host.Stopped.Count));
        if (options.Sampling.Projection is not null)
        {
            Row("actions moved by the projection", $"{FormattableString.Invariant($"{100.0 * result.Host.Projections / Math.Max(1, result.Counts.Actions):F1}")} %");
            Row("  by, on the mean (m)", FormattableString.Invariant($"{result.Host.Projected / Math.Max(1, result.Host.Projections):F4}"));
        }

        Row("fallback actions", Terminal.Whole(result.Counts.Fallbacks));
        Row("messages: world to agents", Terminal.Whole(messages.WorldToAgents));
        Row("messages: agents to world", Terminal.Whole(messages.AgentsToWorld));
        Row("messages: between agents", Terminal.Whole(messages.BetweenAgents));
        if (cluster is not null)
        {
            Row("nodes", Terminal.Whole(cluster.Nodes));
            Row("shards", Terminal.Whole(cluster.Shards));
            Row("shards moved, times", Terminal.Whole(cluster.Moves));
            Row("shards replayed, times", Terminal.Whole(cluster.Replays));
            Row("nodes past the deadline, times", Terminal.Whole(cluster.Suspensions));
            Row("broker lost, times", Terminal.Whole(cluster.Outages));
            Row("messages refused", Terminal.Whole(cluster.Refusals.Values.Sum()));
        }

        Terminal.Out.Write(table);
        foreach (var stopped in result.Host.Stopped.Take(5))
        {
            Terminal.Line($"stopped: {stopped.Episode}, {stopped.Agent}, {stopped.Tick}: {stopped.Error}");
        }

        Terminal.Line($"trajectory hash {result.TrajectoryHash}");
    }

    private static NdArray<double>? Places(string? file, string option, int episodes, Scenario scenario, bool last)
    {
        if (file is null)
        {
            return null;
        }

        if (!file.EndsWith(".npy", StringComparison.Ordinal) || file.Contains('*', StringComparison.Ordinal))
        {
            return FromDemonstrations(EvaluateVerb.Read(file, scenario), episodes, last);
        }

        var places = Npy.Read<double>(file);
        InvalidInputException.Require(places.Shape.AsSpan().SequenceEqual([episodes, scenario.Agents, scenario.Dimensions]), $"{option} {file}", "",
            $"shape ({episodes}, {scenario.Agents}, {scenario.Dimensions}): episodes, agents, dimensions", places.ShapeText);
        InvalidInputException.Require(Array.TrueForAll(places.Data, double.IsFinite), $"{option} {file}", "", "finite numbers", "others");
        return places;
    }

    /// <summary>Where demonstrations begin or end, in turn, [episodes, agents, D].</summary>
    private static NdArray<double> FromDemonstrations(DemonstrationSet set, int episodes, bool last)
    {
        var places = new double[episodes * set.Agents * set.Dimensions];
        for (var i = 0; i < episodes * set.Agents; i++)
        {
            var path = set.Path(i / set.Agents % set.Count, i % set.Agents);
            (last ? path[^set.Dimensions..] : path[..set.Dimensions]).CopyTo(places.AsSpan(i * set.Dimensions));
        }

        return new NdArray<double>([episodes, set.Agents, set.Dimensions], places);
    }

    private static double[][][] Nested(NdArray<double> places)
        => [.. places.Data.Chunk(places.Shape[1] * places.Shape[2]).Select(episode => episode.Chunk(places.Shape[2]).ToArray())];

    /// <summary>Who takes every place that no partner takes.</summary>
    internal sealed record Crew(string Name, Player Player, Model? Model, string? Policy)
    {
        internal ModelSummary? ModelSummary => Model is null ? null : new ModelSummary(Path.GetFullPath(Model.Path), Model.Sha256, Model.Spec.Scenario, Model.Spec.Provenance);

        public static Crew Load(ParseResult parsed, Scenario scenario)
        {
            var (file, policy) = (parsed.GetValue(ModelFile), parsed.GetValue(ScriptedPolicy));
            InvalidInputException.Require(file is null || policy is null, "--policy", "", "either a policy or a model", "both");
            if (policy is not null)
            {
                return new Crew($"policy {policy}", ScriptedPolicies.Create(policy, scenario, "--policy"), null, policy);
            }

            if (file is null)
            {
                var shipped = Shipped.GetValueOrDefault(scenario.Name);
                InvalidInputException.Require(shipped is not null, "--model", "", $"a model or a policy for scenario {scenario.Name} (there are shipped models for {string.Join(", ", Shipped.Keys)}; --policy straight needs none)", null);
                file = Repository.File("models", shipped + ".safetensors");
            }

            var model = Model.Load(file);
            ModelFit.Require(scenario, model.Spec, file);
            var method = model.Spec.Method;
            RefuseUnused(parsed, method);
            var sampling = Sampled(parsed, model.Spec.Sampling, scenario);
            sampling.Validate("options", model.Spec.Plan.Actions);
            var player = Player.Of(model, sampling);
            return new Crew($"model {player.Name}", player, model, null);
        }

        /// <summary>An option that would change nothing is a misunderstanding.</summary>
        private static void RefuseUnused(ParseResult parsed, MethodKind method)
        {
            Option[] solver = method.HasSolver() ? [] : [Solver, Steps];
            Option[] noise = method.HasNoise() ? [] : [Noise, Temperature, Correlation, Candidates, Predict];
            foreach (var option in solver.Concat(noise))
            {
                var given = parsed.GetResult(option);
                InvalidInputException.Require(given is null or { Implicit: true }, option.Name, "", $"no such option with a model of method {StrictJson.Format(method).Trim('"')}, which has no {(solver.Contains(option) ? "solver" : "noise")}", string.Join(' ', given?.Tokens.Select(t => t.Value) ?? []));
            }
        }

        private static SamplingSpec Sampled(ParseResult parsed, SamplingSpec defaults, Scenario scenario) => defaults with
        {
            ModeFrom = Named<ModeSource>(parsed, ModeFrom) ?? defaults.ModeFrom,
            ModeHold = parsed.GetValue(ModeHold) ?? defaults.ModeHold,
            Guidance = parsed.GetValue(Guidance) ?? defaults.Guidance,
            Selection = Projections.Selection(scenario, defaults.Selection, parsed.GetValue(Candidates), parsed.GetValue(Predict), "--candidates"),
            WarmPeriod = parsed.GetValue(WarmPeriod) switch { null => defaults.WarmPeriod, 1 => null, { } period => period },
            Projection = parsed.GetValue(Projection) switch { null => defaults.Projection, false => null, true => Projections.For(scenario, "--project") },
            Solver = Named<OdeSolver>(parsed, Solver) ?? defaults.Solver,
            Steps = parsed.GetValue(Steps) ?? defaults.Steps,
            Execute = parsed.GetValue(Execute) ?? defaults.Execute,
            Noise = Named<NoiseMode>(parsed, Noise) ?? defaults.Noise,
            Temperature = parsed.GetValue(Temperature) ?? defaults.Temperature,
            Correlation = parsed.GetValue(Correlation) ?? defaults.Correlation,
            SharedNoise = parsed.GetValue(SharedNoise) ?? defaults.SharedNoise,
        };

        /// <summary>Reads a name as the files spell it.</summary>
        private static T? Named<T>(ParseResult parsed, Option<string?> option)
            where T : struct, Enum
        {
            if (parsed.GetValue(option) is not { } name)
            {
                return null;
            }

            foreach (var value in Enum.GetValues<T>())
            {
                if (StrictJson.Format(value) == $"\"{name}\"")
                {
                    return value;
                }
            }

            throw InvalidInputException.Create(option.Name, "", string.Join(", ", Enum.GetValues<T>().Select(v => StrictJson.Format(v).Trim('"'))), name);
        }
    }

    private sealed class Ticks(IProgress<long> progress) : IProgress<SimulationProgress>
    {
        public void Report(SimulationProgress value) => progress.Report(value.TicksDone);
    }

    internal sealed record ModelSummary(string File, string Sha256, string TrainedFor, ProvenanceSpec? Provenance);

    private sealed record PartnerSummary(int Place, string Who, string Identity);

    private sealed record RunMessages(long WorldToAgents, long AgentsToWorld, long BetweenAgents);

    private sealed record RunSpeed(double WallSeconds, double AgentStepsPerSecond, double PlansPerSecond, int Threads);

    private sealed record RunResult(
        string ScenarioFile, Scenario Scenario, ModelSummary? Model, string? Policy, PartnerSummary[] Partners, ulong Seed, SamplingSpec Sampling, int Episodes, int Agents, int StepsDone, bool Completed,
        string TrajectoryHash, WorldCounts Counts, AgentHostReport Host, RunMessages Messages, RunSpeed Speed, Baseline? Demonstrations, Figures Figures, ClusterReport? Cluster,
        [property: JsonConverter(typeof(OneLineConverter<double[][][]>))] double[][][] Starts,
        [property: JsonConverter(typeof(OneLineConverter<double[][][]>))] double[][][] Goals, BranchSummary? BranchedFrom);
}
