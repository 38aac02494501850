using System.Security.Cryptography;
using System.Text.Json;
using MimicD.Contracts;
using MimicD.Numerics;

namespace MimicD.Agents;

/// <summary>A trained model, ready to run: its description and its networks. Immutable and shared by threads.</summary>
public sealed class Model
{
    private readonly Denoiser[] _denoisers;
    private readonly ModePosterior?[] _posteriors;

    private Model(string path, string sha256, ModelSpec spec, Denoiser[] denoisers, ModePosterior?[] posteriors)
    {
        Path = path;
        Sha256 = sha256;
        Spec = spec;
        (_denoisers, _posteriors) = (denoisers, posteriors);
    }

    /// <summary>The file it came from.</summary>
    public string Path { get; }

    /// <summary>SHA-256 of the file, lower-case hexadecimal.</summary>
    public string Sha256 { get; }

    /// <summary>Its description.</summary>
    public ModelSpec Spec { get; }

    /// <summary>The networks: one an agent, or one for all.</summary>
    public IReadOnlyList<Denoiser> Denoisers => _denoisers;

    /// <summary>Loads a model file.</summary>
    /// <param name="path">A .safetensors file with a <see cref="ModelSpec"/> in its metadata.</param>
    /// <param name="kernels">Kernels to run on, or null for the best.</param>
    /// <exception cref="InvalidInputException">The description is missing, of another format, or does not fit itself; or a tensor is there that no network uses.</exception>
    /// <exception cref="InvalidDataException">The file is missing, truncated or malformed, or a tensor is missing, has another shape or a number that is not finite.</exception>
    public static Model Load(string path, Kernels? kernels = null)
    {
        byte[] bytes;
        try
        {
            bytes = File.ReadAllBytes(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new InvalidInputException($"{path}: cannot be read: {e.Message}", e);
        }

        return Parse(bytes, path, kernels);
    }

    /// <summary>Loads a model file's bytes; see <see cref="Load"/>.</summary>
    public static Model Parse(ReadOnlyMemory<byte> bytes, string where, Kernels? kernels = null)
    {
        var weights = SafeTensors.Parse(bytes, where);
        if (!weights.Metadata.TryGetValue(ModelSpec.MetadataKey, out var text))
        {
            throw new InvalidInputException($"{where}: not a MimicD model: the metadata has no key '{ModelSpec.MetadataKey}'");
        }

        RequireFormat(text, where);
        var spec = StrictJson.Parse<ModelSpec>(text, where);
        spec.Validate(where);
        var denoisers = new Denoiser[spec.Networks];
        var posteriors = Enumerable.Range(0, spec.Networks).Select(i => ModePosterior.Load(spec, i, weights, where, kernels)).ToArray();
        var used = new HashSet<string>(StringComparer.Ordinal);
        for (var i = 0; i < denoisers.Length; i++)
        {
            denoisers[i] = Denoiser.Load(spec, i, weights, where, kernels);
            if (i > 0)
            {
                denoisers[i].ShareScratch(denoisers[0]);
            }

            used.UnionWith(NetworkTensors.Of(spec).Select(t => spec.WeightPrefix(i) + t.Name));
        }

        foreach (var name in weights.Tensors.Keys)
        {
            InvalidInputException.Require(used.Contains(name), where, $"tensor '{name}'", "only tensors of the described networks", "one that none of them uses");
        }

        return new Model(where, Convert.ToHexStringLower(SHA256.HashData(bytes.Span)), spec, denoisers, posteriors);
    }

    /// <summary>Makes the policies: one a network (of joint plans, one an agent), shared by all agents and episodes that use it.</summary>
    /// <param name="sampling">How to sample, or null for the model's own defaults.</param>
    /// <returns>The policy of each agent.</returns>
    public Func<AgentId, IPolicy> Policies(SamplingSpec? sampling = null)
    {
        sampling ??= Spec.Sampling;
        sampling.Validate(Path, Spec.Plan.Actions);
        // A joint plan is cut by who one is, so agents that share its network still have policies of their own.
        var count = Spec.Plan.Of == PlanOf.Joint ? Spec.Agents : Spec.Networks;
        var own = Enumerable.Range(0, count).Select(Own).ToArray();
        var policies = sampling.Selection is { } selection ? Array.ConvertAll(Enumerable.Range(0, count).ToArray(), i => Selecting(i, selection)) : own;
        return id => policies[count == 1 ? 0 : id.Value];

        IPolicy Own(int i)
        {
            var network = Math.Min(i, Spec.Networks - 1);
            return new DiffusionPolicy(Spec, Spec.Normalisation[network], _denoisers[network], sampling, new AgentId(i), _posteriors[network]);
        }

        IPolicy Selecting(int i, SelectionSpec selection)
            => new SelectingPolicy(own[i], Spec.Sensor, Spec.TimeStep, selection, selection.Prediction is { } prediction ? new NeighbourModel(Spec, new AgentId(i), own, prediction) : null);
    }

    /// <summary>A file of another format may have keys that this program does not know; its version is the better message.</summary>
    private static void RequireFormat(string text, string where)
    {
        try
        {
            using var json = JsonDocument.Parse(text);
            if (json.RootElement.ValueKind == JsonValueKind.Object && json.RootElement.TryGetProperty("format", out var format))
            {
                InvalidInputException.Require(format.ValueKind == JsonValueKind.Number && format.TryGetInt32(out var version) && version == ModelSpec.CurrentFormat, where, "format", $"{ModelSpec.CurrentFormat}", format.GetRawText());
            }
        }
        catch (JsonException e)
        {
            throw new InvalidInputException($"{where}: the metadata's key '{ModelSpec.MetadataKey}' is not JSON: {e.Message.ReplaceLineEndings(" ")}", e);
        }
    }
}
