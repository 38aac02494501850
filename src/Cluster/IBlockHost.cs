using MimicD.Agents;

namespace MimicD.Cluster;

/// <summary>Computes blocks of a sweep somewhere else. A block is plain data, and what comes out of it follows from that alone, wherever and however often it is computed.</summary>
public interface IBlockHost
{
    /// <summary>Blocks that are computed at one time now; it changes as nodes come and go, and may be 0.</summary>
    int Capacity { get; }

    /// <summary>Raised, on any thread, when <see cref="Capacity"/> has changed.</summary>
    event EventHandler? CapacityChanged;

    /// <summary>Computes one block. Thread-safe.</summary>
    /// <param name="description">The block, as its <see cref="BlockProgram"/> reads it.</param>
    /// <param name="models">Files of the models that it needs, by their hashes (SHA-256, lower-case hexadecimal).</param>
    /// <param name="read">Makes the result of bytes that came from a node. What it refuses, by an <see cref="Contracts.InvalidInputException"/>, is computed again.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <exception cref="Contracts.InvalidInputException">A node has refused the block, or too many have begun it and were not heard of again.</exception>
    Task<T> ComputeAsync<T>(string description, IReadOnlyDictionary<string, string> models, Func<ReadOnlyMemory<byte>, T> read, CancellationToken cancellationToken);
}

/// <summary>What a node computes a block by.</summary>
/// <param name="description">The block.</param>
/// <param name="models">Its models by their hashes.</param>
/// <param name="cancellationToken">Gives up: nobody waits for it any more.</param>
/// <returns>What came out of it.</returns>
/// <exception cref="Contracts.InvalidInputException">The block cannot be.</exception>
public delegate Task<byte[]> BlockProgram(string description, Func<string, Model> models, CancellationToken cancellationToken);
