namespace MimicD.Cli;

/// <summary>The work after the last tick, of which somebody who stops the program waits for no more than a few seconds: what takes longer is given up, what is written is kept.</summary>
internal sealed class Closing : IDisposable
{
    private static readonly TimeSpan Grace = TimeSpan.FromSeconds(5);

    private readonly CancellationTokenSource _source = new();
    private readonly CancellationTokenRegistration _registration;

    /// <summary>Begins to wait for a stop, which may have been asked for already.</summary>
    public Closing(CancellationToken cancellation) => _registration = cancellation.Register(() => _source.CancelAfter(Grace));

    /// <summary>Cancelled a little after the stop was asked for.</summary>
    public CancellationToken Token => _source.Token;

    /// <summary>Computes something on another thread, which is left behind where it does not end in time; the process ends nevertheless.</summary>
    /// <param name="compute">Computes it; writes nothing.</param>
    /// <param name="cancellation">Gives up.</param>
    /// <exception cref="OperationCanceledException">It was given up.</exception>
    public static Task<T> RunAsync<T>(Func<T> compute, CancellationToken cancellation) => Task.Run(compute, cancellation).WaitAsync(cancellation);

    public void Dispose()
    {
        _registration.Dispose();
        _source.Dispose();
    }
}
