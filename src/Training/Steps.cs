using System.Diagnostics;
using System.Runtime.ExceptionServices;
using MimicD.Contracts;
using MimicD.Training.Networks;
using MimicD.Training.Objectives;
using MimicD.Training.Torch;

namespace MimicD.Training;

/// <summary>
/// Optimizer steps, one after another. While one is made, another thread puts the next one's batches together; which thread does what does not show in the weights. After the first
/// steps nothing is allocated but what libtorch does.
/// </summary>
internal sealed class Steps : IDisposable
{
    private readonly TrainingSet _set;
    private readonly NetworkSet _networks;
    private readonly Objective _objective;
    private readonly OptimisationSpec _training;
    private readonly AdamWConstants _constants;
    private readonly Workers _workers;
    private readonly ulong _seed;
    private readonly SemaphoreSlim _wanted = new(0);
    private readonly SemaphoreSlim _filled = new(0);
    private readonly Thread _filler;
    private Batch[] _current;
    private Batch[] _ahead;
    private Exception? _failure;
    private bool _closed;

    /// <summary>Starts to put the first batches together.</summary>
    /// <param name="set">The samples.</param>
    /// <param name="networks">What is trained.</param>
    /// <param name="training">How.</param>
    /// <param name="seed">The run's seed.</param>
    /// <param name="done">Steps that were made before.</param>
    /// <param name="workers">Who makes them.</param>
    public Steps(TrainingSet set, NetworkSet networks, OptimisationSpec training, ulong seed, int done, Workers workers)
    {
        (_set, _networks, _training, _seed, Done, _workers) = (set, networks, training, seed, done, workers);
        _objective = Objective.Of(set.Spec, training);
        _constants = new AdamWConstants(WeightDecay: training.WeightDecay);
        (_current, _ahead) = (NewBatches(), NewBatches());
        Wanted = done + 1;
        _filler = new Thread(Fill) { IsBackground = true, Name = "training batches" };
        _filler.Start();
        _wanted.Release();
    }

    /// <summary>Steps done.</summary>
    public int Done { get; private set; }

    /// <summary>Loss of the last step, summed over agents.</summary>
    public double Loss { get; private set; }

    /// <summary>Norm of its gradient before clipping.</summary>
    public double GradientNorm { get; private set; }

    /// <summary>Its learning rate.</summary>
    public double Rate { get; private set; }

    /// <summary>How long steps have waited for their batches, been in networks and their gradients, and been in the update of the weights [<see cref="Stopwatch"/> ticks].</summary>
    public (long Waiting, long Gradients, long Update) Spent { get; private set; }

    /// <summary>How long the other thread has put batches together [<see cref="Stopwatch"/> ticks], and what it has allocated [B].</summary>
    public (long Time, long Bytes) Filling { get; private set; }

    /// <summary>The step that the other thread is to fill batches for.</summary>
    private int Wanted { get; set; }

    /// <summary>Makes one step.</summary>
    /// <exception cref="InvalidInputException">The loss is not finite.</exception>
    public void Next()
    {
        var start = Stopwatch.GetTimestamp();
        _filled.Wait();
        if (_failure is not null)
        {
            ExceptionDispatchInfo.Throw(_failure);
        }

        (_current, _ahead) = (_ahead, _current);
        Done++;
        Wanted = Done + 1;
        _wanted.Release();
        var ready = Stopwatch.GetTimestamp();
        Loss = _networks.LossAndGradient(_current, _objective, _training, _seed, Done, _workers);
        if (!double.IsFinite(Loss))
        {
            throw new InvalidInputException($"training diverged: the loss at step {Done} is {Loss}; try a lower training.learningRate");
        }

        var known = Stopwatch.GetTimestamp();
        Rate = Trainer.LearningRate(_training, Done);
        GradientNorm = _networks.Parameters.Step(Rate, _training.GradientClip, _constants, Done, _training.AverageDecay, _workers);
        Spent = (Spent.Waiting + ready - start, Spent.Gradients + known - ready, Spent.Update + Stopwatch.GetTimestamp() - known);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _closed = true;
        _wanted.Release();
        _filler.Join();
        _wanted.Dispose();
        _filled.Dispose();
    }

    private void Fill()
    {
        while (true)
        {
            _wanted.Wait();
            if (_closed)
            {
                return;
            }

            var start = Stopwatch.GetTimestamp();
            try
            {
                for (var agent = 0; agent < _ahead.Length; agent++)
                {
                    _ahead[agent].Fill(_set, _objective, _training, _seed, Wanted, agent);
                }
            }
#pragma warning disable CA1031 // Handed to the thread that steps.
            catch (Exception e)
#pragma warning restore CA1031
            {
                _failure = e;
            }

            Filling = (Filling.Time + Stopwatch.GetTimestamp() - start, GC.GetAllocatedBytesForCurrentThread());
            _filled.Release();
        }
    }

    private Batch[] NewBatches()
        => [.. Enumerable.Range(0, _set.Learners).Select(_ => new Batch(_training.Batch, _set.Window * _set.Spec.RowSize, _set.Spec.ConditionSize))];
}
