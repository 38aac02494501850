using MimicD.Agents;
using MimicD.Contracts;

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
internal sealed class CellWork(SweepCell cell, TrainingWork? training, bool[] done, Func<CellCrew> crew)
{
    public SweepCell Cell { get; } = cell;

    public TrainingWork? Training { get; } = training;

    public BlockState[] Blocks { get; } = Array.ConvertAll(done, d => d ? BlockState.Done : BlockState.New);

    public bool Joining { get; set; }

    public bool Finished { get; set; }

    /// <summary>Loaded when the first block needs it.</summary>
    public Lazy<CellCrew> Crew { get; set; } = new(crew);
}

/// <summary>The agents' side of a cell.</summary>
/// <param name="Policies">The policy of each agent.</param>
/// <param name="Sensor">What they sense.</param>
/// <param name="Model">Their model, or null with a scripted policy.</param>
internal sealed record CellCrew(Func<AgentId, IPolicy> Policies, SensorSpec Sensor, Model? Model);

/// <summary>What lies beside a model whose training is finished.</summary>
internal sealed record TrainingMarker(double Seconds, string Command);

/// <summary>What lies beside a block's rollouts.</summary>
internal sealed record BlockCounts(double Seconds, SweepCounts Counts);
