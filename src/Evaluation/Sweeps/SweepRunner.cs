using System.Collections.Concurrent;
using System.Globalization;
using MimicD.Agents;
using MimicD.Cluster;
using MimicD.Contracts;
using MimicD.Numerics;
using MimicD.World;

namespace MimicD.Evaluation.Sweeps;

/// <summary>Runs this program as another process: training and experts go there, because libtorch's generator and threads belong to a whole process.</summary>
/// <param name="arguments">Verb and options.</param>
/// <param name="line">Told every line it writes to standard error.</param>
/// <param name="cancellationToken">Asks it to stop and keep what is done.</param>
/// <exception cref="InvalidInputException">It refused its input.</exception>
/// <exception cref="InvalidOperationException">It failed.</exception>
/// <exception cref="OperationCanceledException">It was stopped.</exception>
public delegate Task SweepProgram(IReadOnlyList<string> arguments, Action<string> line, CancellationToken cancellationToken);

/// <summary>How a sweep is run; nothing here changes a number.</summary>
public sealed record SweepRunOptions
{
    /// <summary>Trainings and blocks of episodes that are computed at one time, each on one thread.</summary>
    public required int Threads { get; init; }

    /// <summary>Where blocks of episodes are computed, or null for here. Trainings, and what is made of the blocks, stay here.</summary>
    public IBlockHost? Elsewhere { get; init; }

    /// <summary>The one cell to compute, or null for all.</summary>
    public string? Only { get; init; }

    /// <summary>Whether to compute again what is finished (models are kept: they follow from their key).</summary>
    public bool Again { get; init; }

    /// <summary>The line that computes a cell again, alone.</summary>
    public required Func<SweepCell, string> Command { get; init; }

    /// <summary>The clock. Default: the system's.</summary>
    public TimeProvider Time { get; init; } = TimeProvider.System;
}

/// <summary>How a run of a sweep ended.</summary>
/// <param name="Results">All results in the folder that belong to the sweep, in its order; failed ones among them.</param>
/// <param name="Completed">Whether every cell that was asked for came to an end; false where it was stopped.</param>
public sealed record SweepOutcome(IReadOnlyList<SweepCellResult> Results, bool Completed)
{
    /// <summary>Files that lay in the folders of cells that were computed again and are none of the sweep's: they were left, relative to its folder.</summary>
    public IReadOnlyList<string> Left { get; init; } = [];
}

/// <summary>
/// Computes the cells of a sweep that are not finished: demonstrations first, then trainings and blocks of episodes side by side. What is finished is on the disk at once, so a
/// run that is stopped or killed is gone on with by the next.
/// </summary>
public sealed class SweepRunner
{
    private const string TrainingCheckpointSteps = "500";

    // As many blocks wait for nodes as they compute at one time: no node waits for its next one.
    private const int WaitingFactor = 2;

    private readonly SweepPlan _plan;
    private readonly SweepFolder _folder;
    private readonly SweepRunOptions _options;
    private readonly SweepProgram _program;
    private readonly Lock _gate = new();
    private readonly Dictionary<string, SweepCellResult> _results = new(StringComparer.Ordinal);
    private readonly Dictionary<string, TrainingWork> _trainings = new(StringComparer.Ordinal);
    private readonly ConcurrentDictionary<string, Lazy<Baseline>> _baselines = new(StringComparer.Ordinal);
    private readonly List<string> _left = [];
    private CellWork[] _cells = [];
    private SweepClock _clock = null!;
    private TaskCompletionSource _changed = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>Makes a runner; nothing is read or written yet.</summary>
    public SweepRunner(SweepPlan plan, SweepFolder folder, SweepRunOptions options, SweepProgram program)
    {
        ArgumentNullException.ThrowIfNull(plan);
        ArgumentNullException.ThrowIfNull(folder);
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(program);
        (_plan, _folder, _options, _program) = (plan, folder, options, program);
    }

    /// <summary>How far the cells are, without touching anything: one line a cell.</summary>
    public static IReadOnlyList<(SweepCell Cell, string State)> States(SweepPlan plan, SweepFolder folder)
    {
        ArgumentNullException.ThrowIfNull(plan);
        ArgumentNullException.ThrowIfNull(folder);
        return [.. plan.Cells.Select(c => (c, State(c)))];

        string State(SweepCell cell)
        {
            if (folder.ReadCell(cell.Id) is { } result)
            {
                return result.Error is { } error ? $"failed: {error}" : "finished";
            }

            var done = Enumerable.Range(0, cell.Seeds.Length).Where(b => File.Exists(folder.BlockPath(cell.Id, b))).Sum(b => cell.BlockEpisodes[b]);
            return done > 0 ? $"{done} of {cell.Episodes} episodes"
                : cell.Training is { } training && !File.Exists(MarkerPath(folder, training)) ? "to be trained"
                : "to do";
        }
    }

    /// <summary>Computes what is asked for. The folder must have been claimed.</summary>
    /// <param name="progress">Told whenever something is finished, from any thread.</param>
    /// <param name="cancellationToken">Stops; what is finished is kept.</param>
    /// <exception cref="InvalidInputException">A file in the folder is malformed.</exception>
    public async Task<SweepOutcome> RunAsync(IProgress<SweepProgress>? progress, CancellationToken cancellationToken)
    {
        foreach (var cell in _options.Elsewhere is null ? [] : _plan.Cells)
        {
            var bytes = SweepBlockResult.BytesOf(cell.Scenario, cell.BlockEpisodes.Max());
            InvalidInputException.Require(bytes <= WireLimits.ResultBytes, $"cell '{cell.Label}'", "block", $"a result of at most {WireLimits.ResultBytes} bytes, to be sent by a node (fewer episodes a block)", bytes);
        }

        Gather();
        Publish();
        _clock = new SweepClock(_options.Time, _options.Threads, () => _options.Elsewhere is { } nodes ? Math.Max(1, nodes.Capacity) : _options.Threads, progress, _cells, _trainings.Values);
        _clock.Report();
        try
        {
            await MakeDemonstrationsAsync(cancellationToken).ConfigureAwait(false);
            using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
            var workers = Enumerable.Range(0, _options.Threads).Select(_ => Task.Run(() => WorkAsync(stop), CancellationToken.None));
            if (_options.Elsewhere is { } nodes)
            {
                workers = workers.Append(Task.Run(() => FeedAsync(nodes, stop), CancellationToken.None));
            }

            await Task.WhenAll([.. workers]).ConfigureAwait(false);
        }
        catch (OperationCanceledException)
        {
            // A signal; it may have reached a child and not yet this process.
            return new SweepOutcome(Ordered(), false) { Left = _left };
        }

        return new SweepOutcome(Ordered(), true) { Left = _left };
    }

    private static string MarkerPath(SweepFolder folder, SweepTraining training) => folder.Resolve($"models/{training.Key}.json");

    /// <summary>Finds what is finished and what is left.</summary>
    private void Gather()
    {
        var left = new List<CellWork>();
        foreach (var cell in _plan.Cells)
        {
            var asked = _options.Only is null || _options.Only == cell.Id;
            if (asked && _options.Again)
            {
                _left.AddRange(_folder.ClearCell(cell.Id).Select(name => SweepFolder.CellFile(cell.Id, name)));
            }

            if (_folder.ReadCell(cell.Id) is { } result && (result.Error is null || !asked))
            {
                // The same numbers may have other labels since.
                _results[cell.Id] = result with { Axes = cell.Axes, Command = _options.Command(cell) };
                RemoveBlocks(cell);
                continue;
            }

            if (!asked)
            {
                continue;
            }

            var training = cell.Training is null ? null : TrainingOf(cell.Training);
            left.Add(new CellWork(cell, training, [.. Enumerable.Range(0, cell.Seeds.Length).Select(b => Tally(cell, b))], () => CrewOf(cell)));
        }

        _cells = [.. left];
    }

    /// <summary>The tally of a block that is on the disk, or null.</summary>
    private BlockTally? Tally(SweepCell cell, int block)
        => File.Exists(_folder.BlockPath(cell.Id, block)) ? StrictJson.ReadRecord<BlockCounts>(_folder.BlockCountsPath(cell.Id, block)).TallyOf(block, cell.BlockEpisodes[block]) : null;

    private TrainingWork TrainingOf(SweepTraining training)
    {
        if (!_trainings.TryGetValue(training.Key, out var work))
        {
            work = new TrainingWork(training);
            if (File.Exists(MarkerPath(_folder, training)) && File.Exists(_folder.Resolve(training.File)))
            {
                (work.State, work.Marker) = (TrainingState.Done, StrictJson.ReadRecord<TrainingMarker>(MarkerPath(_folder, training)));
            }

            _trainings.Add(training.Key, work);
        }

        return work;
    }

    private async Task MakeDemonstrationsAsync(CancellationToken cancellationToken)
    {
        foreach (var demonstrations in _cells.SelectMany(c => new[] { c.Cell.Demonstrations, c.Cell.Training?.Demonstrations }).OfType<SweepDemonstrations>().DistinctBy(d => d.Identity))
        {
            try
            {
                if (demonstrations.Recipe is { } recipe && demonstrations.Path(_folder) is var path && !Directory.Exists(path))
                {
                    await MakeAsync(demonstrations, recipe, path, cancellationToken).ConfigureAwait(false);
                }
            }
            catch (Exception e) when (e is InvalidInputException or InvalidOperationException)
            {
                Fail(c => c.Cell.Demonstrations?.Identity == demonstrations.Identity || c.Cell.Training?.Demonstrations.Identity == demonstrations.Identity, $"demonstrations: {e.Message}");
                lock (_gate)
                {
                    foreach (var training in _trainings.Values.Where(t => t.State == TrainingState.New && Array.TrueForAll(_cells, c => c.Training != t || c.Finished)))
                    {
                        training.State = TrainingState.Failed;
                    }
                }
            }
        }
    }

    private async Task MakeAsync(SweepDemonstrations demonstrations, ExpertsRecipe recipe, string path, CancellationToken cancellationToken)
    {
        // Made aside: a folder of that name holds all of them.
        var aside = _folder.Resolve(Path.GetRelativePath(_folder.Root, path) + ".part");
        var foreign = SweepCellFiles.Remove(aside, SweepCellFiles.InExperts);
        InvalidInputException.Require(foreign.Count == 0, aside, "", "nothing but what a stopped 'mimicd experts' left, which is made again", string.Join(", ", foreign));
        var options = recipe.Options.SelectMany(o => new[] { $"--{o.Key}", SweepFile.Scalar(o.Value)! });
        await _program(
            ["experts", demonstrations.Scenario, .. Agents(demonstrations.Agents), "--count", Text(recipe.Count), "--seed", Text(recipe.Seed), "--threads", Text(_options.Threads), "--out", aside, .. options],
            _ => { }, cancellationToken).ConfigureAwait(false);
        Directory.Move(aside, path);
    }

    /// <summary>Ends cells that cannot be computed; the others go on.</summary>
    private void Fail(Func<CellWork, bool> which, string error)
    {
        SweepCellResult[] failed;
        lock (_gate)
        {
            failed = [.. _cells.Where(c => !c.Finished && which(c)).Select(c => Failure(c, error))];
        }

        foreach (var result in failed)
        {
            Finish(result);
        }
    }

    private static string[] Agents(int? number) => number is { } n ? ["--agents", Text(n)] : [];

    private async Task WorkAsync(CancellationTokenSource stop)
    {
        try
        {
            while (true)
            {
                Task changed;
                Func<CancellationToken, Task>? job;
                lock (_gate)
                {
                    job = Next(here: true);
                    if (job is null && Array.TrueForAll(_cells, c => c.Finished))
                    {
                        return;
                    }

                    changed = _changed.Task;
                }

                if (job is null)
                {
                    await changed.WaitAsync(stop.Token).ConfigureAwait(false);
                    continue;
                }

                await DoAsync(job, stop.Token).ConfigureAwait(false);
            }
        }
        catch
        {
            // What stops one worker (a signal, or a disk that is full) stops all.
            await stop.CancelAsync().ConfigureAwait(false);
            throw;
        }
    }

    /// <summary>Hands blocks to nodes: no more at a time than keep them busy, so that a cell that stops early, or fails, has few that are computed for nothing.</summary>
    private async Task FeedAsync(IBlockHost nodes, CancellationTokenSource stop)
    {
        var underWay = new List<Task>();
        var busy = 0;
        void Changed(object? sender, EventArgs e) => Pulse();
        using var enough = CancellationTokenSource.CreateLinkedTokenSource(stop.Token);
        nodes.CapacityChanged += Changed;
        try
        {
            while (true)
            {
                Task changed;
                Func<CancellationToken, Task>? job;
                underWay.RemoveAll(t => t.IsCompletedSuccessfully);
                lock (_gate)
                {
                    job = busy < Math.Max(1, WaitingFactor * nodes.Capacity) ? Next(here: false) : null;
                    busy += job is null ? 0 : 1;
                    if (job is null && Array.TrueForAll(_cells, c => c.Finished))
                    {
                        break;
                    }

                    changed = _changed.Task;
                }

                if (job is null)
                {
                    await changed.WaitAsync(stop.Token).ConfigureAwait(false);
                }
                else
                {
                    underWay.Add(Task.Run(() => BlockAsync(job), CancellationToken.None));
                }
            }
        }
        finally
        {
            // Blocks of cells that stopped early, or failed, are waited for by nobody.
            nodes.CapacityChanged -= Changed;
            await enough.CancelAsync().ConfigureAwait(false);
            await Task.WhenAll(underWay).ConfigureAwait(false);
        }

        async Task BlockAsync(Func<CancellationToken, Task> job)
        {
            try
            {
                await DoAsync(async token =>
                {
                    try
                    {
                        await job(token).ConfigureAwait(false);
                    }
                    finally
                    {
                        // Before the feeder looks again.
                        lock (_gate)
                        {
                            busy--;
                        }
                    }
                }, enough.Token).ConfigureAwait(false);
            }
            catch (OperationCanceledException) when (enough.IsCancellationRequested && !stop.IsCancellationRequested)
            {
            }
            catch
            {
                await stop.CancelAsync().ConfigureAwait(false);
                throw;
            }
        }
    }

    private async Task DoAsync(Func<CancellationToken, Task> job, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        await job(cancellationToken).ConfigureAwait(false);
        Pulse();
        _clock.Report();
    }

    /// <summary>Lets those look again who found nothing to do.</summary>
    private void Pulse()
    {
        lock (_gate)
        {
            _changed.TrySetResult();
            _changed = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        }
    }

    /// <summary>The first thing that can be done now, in the order of the cells; null where everything is done or under way. Called with the gate closed.</summary>
    /// <param name="here">Whether it is done here; false: a block for a node.</param>
    private Func<CancellationToken, Task>? Next(bool here)
    {
        foreach (var cell in _cells)
        {
            if (cell.Finished)
            {
                continue;
            }

            if (cell.Training is { State: not TrainingState.Done } training)
            {
                if (here && training.State == TrainingState.New)
                {
                    training.State = TrainingState.Running;
                    return token => TrainAsync(training, token);
                }
            }
            else if (Array.IndexOf(cell.Blocks, BlockState.New, 0, cell.Needed) is var block and >= 0)
            {
                if (here == (_options.Elsewhere is not null))
                {
                    continue;
                }

                cell.Blocks[block] = BlockState.Running;
                return token => GuardedAsync(cell, () => SimulateAsync(cell, block, token), token);
            }
            else if (here && !cell.Joining && cell.Blocks.Take(cell.Needed).All(b => b == BlockState.Done))
            {
                cell.Joining = true;
                return token => GuardedAsync(cell, () => Task.Run(() => Join(cell), CancellationToken.None), token);
            }
        }

        return null;
    }

    private async Task TrainAsync(TrainingWork work, CancellationToken cancellationToken)
    {
        var (training, started) = (work.Training, _options.Time.GetTimestamp());
        var checkpoint = _folder.Resolve($"models/{training.Key}.resume.safetensors");
        string[] arguments =
        [
            "train", training.ScenarioArgument, .. Agents(training.Agents), "--demos", training.Demonstrations.Path(_folder), "--preset", training.PresetArgument,
            .. training.Method is null ? [] : new[] { "--method", training.Method }, .. training.Changes.SelectMany(c => new[] { "--set", c }),
            "--seed", Text(training.Seed), "--threads", "1", "--out", _folder.Resolve(training.File),
        ];
        try
        {
            await _program([.. arguments, "--checkpoint-every", TrainingCheckpointSteps, File.Exists(checkpoint) ? "--resume" : "--overwrite"],
                line => _clock.Training(work, line), cancellationToken).ConfigureAwait(false);
        }
        catch (Exception e) when (e is InvalidInputException or InvalidOperationException or IOException)
        {
            lock (_gate)
            {
                work.State = TrainingState.Failed;
            }

            Fail(c => c.Training == work, $"training: {e.Message}");
            return;
        }

        var marker = new TrainingMarker(_options.Time.GetElapsedTime(started).TotalSeconds, "mimicd " + string.Join(' ', arguments.Select(SweepShell.Quote)));
        AtomicFile.WriteText(MarkerPath(_folder, training), StrictJson.Format(marker) + "\n");
        File.Delete(checkpoint);
        lock (_gate)
        {
            (work.State, work.Marker) = (TrainingState.Done, marker);
        }
    }

    /// <summary>Does something for a cell; what goes wrong is the cell's failure and not the sweep's.</summary>
    private async Task GuardedAsync(CellWork cell, Func<Task> work, CancellationToken cancellationToken)
    {
        try
        {
            await work().ConfigureAwait(false);
        }
        catch (Exception e) when (e is not (OutOfMemoryException or IOException or UnauthorizedAccessException) && !cancellationToken.IsCancellationRequested)
        {
            SweepCellResult? failed = null;
            lock (_gate)
            {
                if (!cell.Finished)
                {
                    failed = Failure(cell, e.Message);
                }
            }

            if (failed is not null)
            {
                Finish(failed);
            }
        }
    }

    private async Task SimulateAsync(CellWork work, int block, CancellationToken cancellationToken)
    {
        var (cell, crew) = (work.Cell, work.Crew.Value);
        var (seed, episodes) = (cell.Seeds[block], cell.BlockEpisodes[block]);
        SweepBlockResult result;
        if (_options.Elsewhere is { } nodes)
        {
            var (description, models) = SweepBlock.Of(cell, crew.Player, block);
            result = await nodes.ComputeAsync(StrictJson.Format(description, indented: false), models, bytes => SweepBlockResult.Read(bytes, cell.Scenario, episodes), cancellationToken).ConfigureAwait(false);
        }
        else
        {
            result = await SweepBlockResult.ComputeAsync(cell.Scenario, crew.Cast, seed, episodes, _options.Time, cancellationToken).ConfigureAwait(false);
        }

        var tally = cell.Stop is null ? null : BlockTally.Of(cell.Scenario, PathsOf(result.Rollouts, cell), result.Rollouts.Goals.Data);
        lock (_gate)
        {
            if (work.Finished)
            {
                // The cell stopped early without this block.
                return;
            }
        }

        AtomicFile.WriteText(_folder.BlockCountsPath(cell.Id, block), StrictJson.Format(new BlockCounts(result.Seconds, tally?.Success.Count(s => s) ?? 0, result.Counts) { Tally = tally }) + "\n");
        result.Rollouts.Save(_folder.BlockPath(cell.Id, block));
        lock (_gate)
        {
            work.Simulated(block, tally ?? BlockTally.None);
        }

        _clock.Simulated(work, block, result.Seconds);
    }

    private static PathSet PathsOf(Rollouts rollouts, SweepCell cell)
        => PathSet.Create<float>(rollouts.Positions.Data, rollouts.Positions.Shape, cell.Id) with { Replaced = rollouts.Replaced };

    /// <summary>Makes the blocks of a cell into its result.</summary>
    private void Join(CellWork work)
    {
        var (cell, crew) = (work.Cell, work.Crew.Value);
        var blocks = Enumerable.Range(0, work.Needed).ToArray();
        var rollouts = Rollouts.Join([.. blocks.Select(b => Rollouts.Load(_folder.BlockPath(cell.Id, b)))]);
        var counts = blocks.Select(b => StrictJson.ReadRecord<BlockCounts>(_folder.BlockCountsPath(cell.Id, b))).ToArray();
        var paths = PathsOf(rollouts, cell);
        var baseline = BaselineOf(cell) ?? Baseline.Of(crew.Model?.Spec.Provenance);
        var figures = Figures.Compute(cell.Scenario, paths, rollouts.Goals.Data, baseline);
        (rollouts with { Modes = figures.Modes?.Labels }).Save(_folder.Resolve(SweepFolder.CellFile(cell.Id, RolloutFile.Name)));
        OutcomesFile.Save(_folder.Resolve(SweepFolder.CellFile(cell.Id, OutcomesFile.Name)), Outcomes.Compute(cell.Scenario, paths, rollouts.Goals.Data));
        Finish(Outline(cell, work.Training) with
        {
            Model = ModelOf(crew.Model, cell, work.Training),
            Episodes = paths.Episodes,
            BlockEpisodes = cell.BlockEpisodes[..work.Needed],
            Seeds = cell.Seeds[..work.Needed],
            Stopping = cell.Stop is { } rule ? new SweepStopping(rule, cell.Episodes, work.Interval(rule)) : null,
            Figures = figures,
            Baseline = baseline,
            TrajectoryHash = Rollouts.Hash(rollouts.Positions),
            Rollouts = SweepFolder.CellFile(cell.Id, RolloutFile.Name),
            Outcomes = SweepFolder.CellFile(cell.Id, OutcomesFile.Name),
            Counts = counts.Select(c => c.Counts).Aggregate((a, b) => a + b),
            Seconds = counts.Sum(c => c.Seconds),
        });
        RemoveBlocks(cell);
        lock (_gate)
        {
            work.Finished = true;
            work.Crew = null!; // a model is memory
        }
    }

    /// <summary>The figures of the demonstrations at hand; computed once for scenarios in which they are the same.</summary>
    private Baseline? BaselineOf(SweepCell cell)
    {
        if (cell.Demonstrations is not { } demonstrations)
        {
            return null;
        }

        // Nobody senses anything in a demonstration.
        var scenario = cell.Scenario with { Sensing = new SensingSpec() };
        return _baselines.GetOrAdd($"{demonstrations.Identity} {SweepCell.Digest(scenario)}", _ => new Lazy<Baseline>(() =>
        {
            var path = demonstrations.Path(_folder);
            try
            {
                var set = DemonstrationSet.Load(path, scenario);
                set.RequireFits(scenario, path);
                return Baseline.Of(scenario, PathSet.Of(set, path));
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                // What cannot be read fails the cell; only what cannot be written stops the sweep.
                throw new InvalidInputException($"{path}: cannot be read: {e.Message}", e);
            }
        })).Value;
    }

    /// <summary>What is known of a cell before anything is computed.</summary>
    private SweepCellResult Outline(SweepCell cell, TrainingWork? training) => new()
    {
        Id = cell.Id,
        Axes = cell.Axes,
        Scenario = cell.Scenario.Name,
        ScenarioFile = SweepFolder.CellFile(cell.Id, SweepCellFiles.Scenario),
        Agents = cell.Scenario.Agents,
        Method = cell.Training?.Method,
        Policy = cell.Policy,
        Partners = cell.Partners.Count == 0 ? null : new(cell.Partners.Select(p => KeyValuePair.Create($"{p.Agent + 1}", p.Who))),
        Model = ModelOf(cell.Model, cell, training),
        Sampling = cell.Sampling,
        Episodes = cell.Episodes,
        BlockEpisodes = cell.BlockEpisodes,
        Seeds = cell.Seeds,
        Command = _options.Command(cell),
    };

    private static SweepModel? ModelOf(Model? model, SweepCell cell, TrainingWork? training) => model is null && cell.Training is null ? null : new SweepModel
    {
        File = cell.Training?.File ?? cell.ModelName ?? model!.Path,
        Sha256 = model?.Sha256,
        TrainingSeed = cell.Training?.Seed,
        TrainingSeconds = training?.Marker?.Seconds,
        Command = training?.Marker?.Command,
        Parameters = model?.Denoisers.Sum(d => d.Parameters),
        Provenance = model?.Spec.Provenance,
    };

    /// <summary>Called with the gate closed.</summary>
    private SweepCellResult Failure(CellWork work, string error)
    {
        work.Finished = true;
        return Outline(work.Cell, work.Training) with { Error = error.ReplaceLineEndings(" ") };
    }

    private void Finish(SweepCellResult result)
    {
        var cell = _plan.Cells.First(c => c.Id == result.Id);
        AtomicFile.WriteText(_folder.Resolve(result.ScenarioFile), StrictJson.Format(cell.Scenario) + "\n");
        lock (_gate)
        {
            _folder.WriteCell(result);
            _results[result.Id] = result;
            Publish();
        }
    }

    private void Publish() => _folder.WriteCells(Ordered());

    private SweepCellResult[] Ordered() => [.. _plan.Cells.Select(c => _results.GetValueOrDefault(c.Id)).OfType<SweepCellResult>()];

    private void RemoveBlocks(SweepCell cell)
    {
        for (var block = 0; block < cell.Seeds.Length; block++)
        {
            var (rollouts, counts) = (_folder.BlockPath(cell.Id, block), _folder.BlockCountsPath(cell.Id, block));
            if (File.Exists(rollouts) || File.Exists(counts))
            {
                File.Delete(rollouts);
                File.Delete(counts);
            }
        }
    }

    private CellCrew CrewOf(SweepCell cell)
    {
        if (cell.Policy is { } name)
        {
            return Crew(ScriptedPolicies.Create(name, cell.Scenario, SweepKeys.Policy), null);
        }

        var model = cell.Model ?? Model.Load(_folder.Resolve(cell.Training!.File));
        ModelFit.Require(cell.Scenario, model.Spec, model.Path);
        return Crew(Player.Of(model, cell.Sampling), model);

        CellCrew Crew(Player player, Model? of) => new(new Cast(cell.Scenario, player, cell.Partners), player, of);
    }

    private static string Text<T>(T value)
        where T : IFormattable => value.ToString(null, CultureInfo.InvariantCulture);
}
