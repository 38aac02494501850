using System.Runtime.InteropServices;
using System.Security.Cryptography;
using MimicD.Agents;
using MimicD.World;

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
/// <param name="tallies">What a rule for stopping early counts, of the blocks that are on the disk; null for the others.</param>
/// <param name="crew">Loads its agents.</param>
internal sealed class CellWork(SweepCell cell, TrainingWork? training, BlockTally?[] tallies, Func<CellCrew> crew)
{
    public SweepCell Cell { get; } = cell;

    public TrainingWork? Training { get; } = training;

    public BlockState[] Blocks { get; } = Array.ConvertAll(tallies, t => t is null ? BlockState.New : BlockState.Done);

    /// <summary>Blocks that the result is made of, from the first: all, or as many as the rule for stopping early leaves by what is known.</summary>
    public int Needed { get; private set; } = Needs(cell, tallies);

    public bool Joining { get; set; }

    public bool Finished { get; set; }

    /// <summary>Loaded when the first block needs it.</summary>
    public Lazy<CellCrew> Crew { get; set; } = new(crew);

    /// <summary>A block is on the disk.</summary>
    public void Simulated(int block, BlockTally tally)
    {
        Blocks[block] = BlockState.Done;
        tallies[block] = tally;
        Needed = Needs(Cell, tallies);
    }

    /// <summary>The confidence sequence after the blocks that are needed; all of them are on the disk.</summary>
    public Estimate Interval(SweepStop rule)
    {
        var count = new DistinctCount();
        foreach (var tally in tallies.Take(Needed))
        {
            count.Add(tally!);
        }

        return new ConfidenceSequence(rule.Level).At(count.Successes, count.Episodes);
    }

    private static int Needs(SweepCell cell, BlockTally?[] tallies)
    {
        if (cell.Stop is not { } rule)
        {
            return tallies.Length;
        }

        var (sequence, count) = (new ConfidenceSequence(rule.Level), new DistinctCount());
        for (var block = 0; block < tallies.Length && tallies[block] is { } here; block++)
        {
            count.Add(here);
            if (sequence.IsNarrow(count.Successes, count.Episodes, rule.Width))
            {
                return block + 1;
            }
        }

        return tallies.Length;
    }

    /// <summary>Counts episodes that no block before had: a copy is no further evidence.</summary>
    private sealed class DistinctCount
    {
        private readonly HashSet<string> _known = new(StringComparer.Ordinal);

        public int Successes { get; private set; }

        public int Episodes { get; private set; }

        public void Add(BlockTally tally)
        {
            for (var e = 0; e < tally.Hashes.Length; e++)
            {
                if (_known.Add(tally.Hashes[e]))
                {
                    Successes += tally.Success[e] ? 1 : 0;
                    Episodes++;
                }
            }
        }
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
internal sealed record BlockCounts(double Seconds, int Successes, SweepCounts Counts)
{
    /// <summary>Its episodes, for a rule that stops early; otherwise null, as in files from before copies were told.</summary>
    public BlockTally? Tally { get; init; }

    /// <summary>The tally; of a file that does not tell copies, one in which every episode is its own.</summary>
    /// <param name="block">Which block.</param>
    /// <param name="episodes">Its episodes.</param>
    public BlockTally TallyOf(int block, int episodes)
        => Tally ?? new BlockTally([.. Enumerable.Range(0, episodes).Select(e => FormattableString.Invariant($"{block} {e}"))], [.. Enumerable.Range(0, episodes).Select(e => e < Successes)]);
}

/// <summary>What a rule for stopping early needs of a block's episodes.</summary>
/// <param name="Hashes">Of the paths of each episode, [E].</param>
/// <param name="Success">Strict success, [E].</param>
internal sealed record BlockTally(string[] Hashes, bool[] Success)
{
    /// <summary>No episode is looked at.</summary>
    public static BlockTally None { get; } = new([], []);

    /// <summary>The tally of rollouts.</summary>
    public static BlockTally Of(Scenario scenario, PathSet paths, double[] goals)
    {
        var outcomes = Outcomes.Compute(scenario, paths, goals);
        var (size, places) = (paths.Agents * paths.Times * paths.Dimensions, paths.Agents * paths.Dimensions);
        return new BlockTally(
            [.. Enumerable.Range(0, paths.Episodes).Select(e => Hash(paths.Positions.AsSpan(e * size, size), goals.AsSpan(e * places, places)))],
            [.. outcomes.Arrived(scenario).Zip(outcomes.Collided(scenario.Collision.ContactLimit), (arrived, hit) => arrived && !hit)]);

        static string Hash(ReadOnlySpan<double> path, ReadOnlySpan<double> goals)
        {
            using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
            hash.AppendData(MemoryMarshal.AsBytes(path));
            hash.AppendData(MemoryMarshal.AsBytes(goals));
            return Convert.ToHexStringLower(hash.GetHashAndReset())[..16];
        }
    }
}
