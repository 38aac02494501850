using System.Security.Cryptography;
using MimicD.Agents;
using MimicD.Contracts;
using MimicD.Numerics;

namespace MimicD.AgentsTests;

public sealed class ModelTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("mimicd-model-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Theory]
    [InlineData(NetworkKind.Mlp, false)]
    [InlineData(NetworkKind.Dit, true)]
    public void A_model_file_comes_back_with_its_description_hash_and_networks(NetworkKind kind, bool shared)
    {
        var spec = RandomModel.Spec(kind, shared: shared);
        var path = Path.Combine(_folder, "model.safetensors");
        RandomModel.Write(path, spec);
        var model = Model.Load(path);
        Assert.Equal(StrictJson.Format(spec), StrictJson.Format(model.Spec));
        Assert.Equal(Convert.ToHexStringLower(SHA256.HashData(File.ReadAllBytes(path))), model.Sha256);
        Assert.Equal(shared ? 1 : 2, model.Denoisers.Count);
        var policies = model.Policies();
        Assert.Equal(shared, ReferenceEquals(policies(new AgentId(0)), policies(new AgentId(1))));
        Assert.Equal(NetworkTensors.Of(spec).Sum(t => t.Shape.Aggregate(1, (a, b) => a * b)), model.Denoisers[0].Parameters);
    }

    [Fact]
    public void A_description_without_plans_of_others_reads_as_before_there_were_any()
    {
        var text = StrictJson.Format(RandomModel.Spec());
        Assert.DoesNotContain("\"of\"", text, StringComparison.Ordinal);
        Assert.DoesNotContain("sharedNoise", text, StringComparison.Ordinal);
        var joint = RandomModel.SpecOf(PlanOf.Joint);
        Assert.Contains("\"of\": \"joint\"", StrictJson.Format(joint), StringComparison.Ordinal);
        Assert.Equal(StrictJson.Format(joint), StrictJson.Format(StrictJson.Parse<ModelSpec>(StrictJson.Format(joint), "test")));
    }

    [Fact]
    public void A_missing_file_is_named() => Assert.Contains("nowhere.safetensors: cannot be read", Refusal(Path.Combine(_folder, "nowhere.safetensors")), StringComparison.Ordinal);

    [Fact]
    public void A_truncated_file_is_refused_wherever_it_ends()
    {
        var path = Path.Combine(_folder, "cut.safetensors");
        RandomModel.Write(path, RandomModel.Spec());
        var whole = File.ReadAllBytes(path);
        foreach (var length in new[] { 0, 4, 100, whole.Length / 2, whole.Length - 1 })
        {
            File.WriteAllBytes(path, whole[..length]);
            Assert.Contains("cut.safetensors: ", Refusal(path), StringComparison.Ordinal);
        }
    }

    [Theory]
    [InlineData(NetworkKind.Mlp)]
    [InlineData(NetworkKind.Dit)]
    public void Each_missing_or_misshapen_tensor_is_named(NetworkKind kind)
    {
        var spec = RandomModel.Spec(kind, width: 8, agents: 1);
        spec = spec with { Network = spec.Network with { Depth = 1 } };
        foreach (var name in RandomModel.Weights(spec).Tensors.Keys)
        {
            Assert.Contains($"tensor '{name}' is missing", Refusal(Changed(spec, (n, t) => n == name ? null : t)), StringComparison.Ordinal);
            var message = Refusal(Changed(spec, (n, t) => n == name ? new NdArray<float>([.. t.Shape, 1], t.Data) : t));
            Assert.Contains($"tensor '{name}': expected shape (", message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void A_tensor_that_nothing_uses_is_named()
    {
        var file = RandomModel.Weights(RandomModel.Spec());
        file.Add("agent2.noise.0.bias", new float[3], 3);
        Assert.Contains("'agent2.noise.0.bias': expected only tensors of the described networks", Refusal(Save(file)), StringComparison.Ordinal);
    }

    [Fact]
    public void A_weight_that_is_not_finite_is_refused()
    {
        var path = Changed(RandomModel.Spec(), (n, t) => n == "agent1.head.bias" ? new NdArray<float>(t.Shape, [.. t.Data[1..], float.NaN]) : t);
        Assert.Contains("tensor 'agent1.head.bias' holds a number that is not finite", Refusal(path), StringComparison.Ordinal);
    }

    [Fact]
    public void Another_format_is_refused_before_its_unknown_keys()
    {
        var file = RandomModel.Weights(RandomModel.Spec());
        file.Metadata[ModelSpec.MetadataKey] = """{"format": 2, "novelty": true}""";
        Assert.EndsWith("format: expected 1, found 2", Refusal(Save(file)), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(null, "no key 'mimicd'")]
    [InlineData("{", "is not JSON")]
    [InlineData("[]", "")]
    [InlineData("""{"format": "1"}""", "format: expected 1, found \"1\"")]
    [InlineData("""{"scenario": "x", "flavour": 1}""", "unknown key 'flavour'")]
    [InlineData("""{"scenario": "x"}""", "")]
    public void A_description_that_does_not_parse_is_refused(string? text, string expected)
    {
        var file = RandomModel.Weights(RandomModel.Spec());
        file.Metadata.Remove(ModelSpec.MetadataKey);
        if (text is not null)
        {
            file.Metadata[ModelSpec.MetadataKey] = text;
        }

        Assert.Contains(expected, Refusal(Save(file)), StringComparison.Ordinal);
    }

    [Fact]
    public void A_description_that_does_not_fit_itself_is_refused()
    {
        var spec = RandomModel.Spec();
        var file = RandomModel.Weights(spec);
        file.Metadata[ModelSpec.MetadataKey] = StrictJson.Format(spec with { Normalisation = [spec.Normalisation[0]] });
        Assert.Contains("normalisation: expected 2 entries, found 1", Refusal(Save(file)), StringComparison.Ordinal);
    }

    [Fact]
    public void More_actions_than_the_plan_has_cannot_be_executed()
        => Assert.Throws<InvalidInputException>(() => RandomModel.Load(RandomModel.Spec()).Policies(new SamplingSpec { Execute = 9 }));

    private static string Refusal(string path)
    {
        var error = Assert.ThrowsAny<Exception>(() => Model.Load(path));
        Assert.True(error is InvalidInputException or InvalidDataException, error.ToString());
        Assert.DoesNotContain('\n', error.Message);
        Assert.Contains(path, error.Message, StringComparison.Ordinal);
        return error.Message;
    }

    private string Changed(ModelSpec spec, Func<string, NdArray<float>, NdArray<float>?> change)
    {
        var whole = RandomModel.Weights(spec);
        var file = new SafeTensors();
        file.Metadata[ModelSpec.MetadataKey] = whole.Metadata[ModelSpec.MetadataKey];
        foreach (var (name, tensor) in whole.Tensors)
        {
            if (change(name, tensor) is { } t)
            {
                file.Add(name, t.Data, t.Shape);
            }
        }

        return Save(file);
    }

    private string Save(SafeTensors file)
    {
        var path = Path.Combine(_folder, "changed.safetensors");
        file.Write(path);
        return path;
    }
}
