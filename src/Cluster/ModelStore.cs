using System.Buffers;
using System.Security.Cryptography;
using MimicD.Agents;
using MimicD.Contracts;

namespace MimicD.Cluster;

/// <summary>A model on its way to a node, put together from chunks in order. Room is taken as bytes come, whatever size was announced.</summary>
/// <param name="sha256">What its bytes must hash to, lower-case hexadecimal.</param>
/// <param name="size">Bytes announced.</param>
public sealed class ModelDownload(string sha256, int size)
{
    private readonly ArrayBufferWriter<byte> _bytes = new();

    /// <summary>The hash it was asked by.</summary>
    public string Sha256 => sha256;

    /// <summary>Bytes that are there; the next chunk begins here.</summary>
    public int Offset => _bytes.WrittenCount;

    /// <summary>Whether all announced bytes are there.</summary>
    public bool IsWhole => _bytes.WrittenCount == size;

    /// <summary>Takes a chunk.</summary>
    /// <returns>Whether it was the next one; another changes nothing.</returns>
    public bool Append(string of, uint offset, ReadOnlySpan<byte> content)
    {
        if (of != sha256 || offset != _bytes.WrittenCount || content.IsEmpty || _bytes.WrittenCount + content.Length > size)
        {
            return false;
        }

        _bytes.Write(content);
        return true;
    }

    /// <summary>Makes the model.</summary>
    /// <exception cref="InvalidInputException">The bytes are not those that were asked for.</exception>
    /// <exception cref="InvalidDataException">They are, and are no model.</exception>
    public Model Complete()
    {
        var bytes = _bytes.WrittenMemory;
        var found = Convert.ToHexStringLower(SHA256.HashData(bytes.Span));
        InvalidInputException.Require(found == sha256, "model", "SHA-256", sha256, found);
        return Model.Parse(bytes, $"model {sha256}");
    }
}

/// <summary>Models that a node has, by hash: what was used last is kept when the next run comes. Not thread-safe.</summary>
/// <param name="capacity">Models kept besides those of runs that are open.</param>
public sealed class ModelStore(int capacity)
{
    private readonly LinkedList<Model> _recent = [];

    /// <summary>The hashes of those that are kept.</summary>
    public IEnumerable<string> Kept => _recent.Select(m => m.Sha256);

    /// <summary>A model by its hash, or null where it has to be fetched.</summary>
    public Model? Find(string sha256)
    {
        for (var at = _recent.First; at is not null; at = at.Next)
        {
            if (at.Value.Sha256 == sha256)
            {
                _recent.Remove(at);
                _recent.AddFirst(at);
                return at.Value;
            }
        }

        return null;
    }

    /// <summary>Keeps a model; the one that was not used for longest leaves when there are too many.</summary>
    public void Add(Model model)
    {
        _recent.AddFirst(model);
        if (_recent.Count > capacity)
        {
            _recent.RemoveLast();
        }
    }
}
