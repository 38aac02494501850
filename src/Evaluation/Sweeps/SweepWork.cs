using MimicD.Agents;

namespace MimicD.Evaluation.Sweeps;

/// <summary>How far a training is.</summary>
internal enum TrainingState
{
    /// <summary>Not begun in this run; there may be a checkpoint.</summary>
    New,

    /// <summary>Under way.</summary>
    Running,

    /// <summary>Its model stands.</summary>
    Done,

    /// <summary>It failed, and with it the cells that need it.</summary>
    Failed,
}

/// <summary>How far a block of episodes is.</summary>
internal enum BlockState
{
    /// <summary>Not begun.</summary>
    New,

    /// <summary>Under way.</summary>
    Running,

    /// <summary>On the disk.</summary>
    Done,
}

/// <summary>A training of a run, and how far it is. Read and changed with the runner's gate closed.</summary>
internal sealed class TrainingWork(SweepTraining training)
{
    public SweepTraining Training { get; } = training;

    public TrainingState State { get; set; }

    public TrainingMarker? Marker { get; set; }
}

/// <summary>A cell that a run has to compute, and how far it is. Read and changed with the runner's gate closed.</summary>
/// <param name="cell">The cell.</param>
/// <param name="training">The training it needs, or null.</param>
/// <param name="successes">Strict successes of the blocks that are on the disk; null for the others.</param>
/// <param name="crew">Loads its agents.</param>
internal sealed class CellWork(SweepCell cell, TrainingWork? training, int?[] successes, Func<CellCrew> crew)
{
    public SweepCell Cell { get; } = cell;

    public TrainingWork? Training { get; } = training;

    public BlockState[] Blocks { get; } = Array.ConvertAll(successes, s => s is null ? BlockState.New : BlockState.Done);

    /// <summary>Blocks that the result is made of, from the first: all, or as many as the rule for stopping early leaves by what is known.</summary>
    public int Needed { get; private set; } = Needs(cell, successes);

    public bool Joining { get; set; }

    public bool Finished { get; set; }

    /// <summary>Loaded when the first block needs it.</summary>
    public Lazy<CellCrew> Crew { get; set; } = new(crew);

    /// <summary>A block is on the disk.</summary>
    public void Simulated(int block, int strictSuccesses)
    {
        Blocks[block] = BlockState.Done;
        successes[block] = strictSuccesses;
        Needed = Needs(Cell, successes);
    }

    /// <summary>The confidence sequence after the blocks that are needed; all of them are on the disk.</summary>
    public Estimate Interval(SweepStop rule)
        => new ConfidenceSequence(rule.Level).At(successes.Take(Needed).Sum(s => s!.Value), Cell.BlockEpisodes.Take(Needed).Sum());

    private static int Needs(SweepCell cell, int?[] successes)
    {
        if (cell.Stop is not { } rule)
        {
            return successes.Length;
        }

        var (sequence, happened, episodes) = (new ConfidenceSequence(rule.Level), 0, 0);
        for (var block = 0; block < successes.Length && successes[block] is { } here; block++)
        {
            happened += here;
            episodes += cell.BlockEpisodes[block];
            if (sequence.IsNarrow(happened, episodes, rule.Width))
            {
                return block + 1;
            }
        }

        return successes.Length;
    }
}

/// <summary>The agents' side of a cell.</summary>
/// <param name="Cast">Who plays whom.</param>
/// <param name="Player">Who takes every place that no partner takes.</param>
/// <param name="Model">The model of those who are no partners, or null with a scripted policy.</param>
internal sealed record CellCrew(Cast Cast, Player Player, Model? Model);

/// <summary>What lies beside a model whose training is finished.</summary>
internal sealed record TrainingMarker(double Seconds, string Command);

/// <summary>What lies beside a block's rollouts.</summary>
/// <param name="Seconds">Seconds it took.</param>
/// <param name="Successes">Episodes with strict success; counted for a rule that stops early, otherwise 0.</param>
/// <param name="Counts">What was counted.</param>
internal sealed record BlockCounts(double Seconds, int Successes, SweepCounts Counts);
