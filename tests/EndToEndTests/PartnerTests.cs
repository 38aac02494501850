using System.Text.Json;
using MimicD.AgentsTests;
using MimicD.Numerics;
using MimicD.World;

namespace MimicD.EndToEndTests;

/// <summary>Somebody else in one agent's place.</summary>
public sealed class PartnerTests : IDisposable
{
    private static readonly string Swap = Path.Combine(EntryPoint.Root, "scenarios", "swap.json");
    private static readonly string Ring = Path.Combine(EntryPoint.Root, "scenarios", "ring.json");
    private readonly Scratch _scratch = new();

    public void Dispose() => _scratch.Dispose();

    [Fact]
    public async Task A_partner_with_the_others_model_changes_nothing()
    {
        var model = Model();
        Assert.Equal(await HashAsync("alone", Swap, "--model", model), await HashAsync("together", Swap, "--model", model, "--partner", $"2={model}"));
    }

    [Fact]
    public async Task A_replayed_partner_does_what_it_did_whoever_the_other_is()
    {
        await HashAsync("before", Swap, "--model", Model());
        var before = Positions("before");
        await HashAsync("after", Swap, "--policy", "straight", "--partner", $"2=replay:{_scratch["before"]}");
        var after = Positions("after");
        var size = before.Shape[2] * 2;
        for (var episode = 0; episode < 3; episode++)
        {
            Assert.Equal(before.Data.AsSpan((episode * 2 + 1) * size, size), after.Data.AsSpan((episode * 2 + 1) * size, size));
            Assert.False(before.Data.AsSpan(episode * 2 * size, size).SequenceEqual(after.Data.AsSpan(episode * 2 * size, size)));
        }

        using var result = JsonDocument.Parse(await File.ReadAllTextAsync(_scratch["after/result.json"]));
        Assert.Equal(2, result.RootElement.GetProperty("partners")[0].GetProperty("place").GetInt32());
        Assert.Equal(3 * 99, result.RootElement.GetProperty("messages").GetProperty("worldToAgents").GetInt32());
        Assert.Equal(0, result.RootElement.GetProperty("messages").GetProperty("betweenAgents").GetInt32());
    }

    [Fact]
    public async Task Scripted_partners_act_beside_each_other()
    {
        var straight = await HashAsync("straight", Ring, "--policy", "straight");
        var mixed = await HashAsync("mixed", Ring, "--policy", "straight", "--partner", "3=reciprocal", "--partner", "8=reciprocal");
        Assert.NotEqual(straight, mixed);
    }

    [Fact]
    public async Task Partners_that_cannot_be_are_refused()
    {
        async Task Refused(string partner, string expected)
            => Assert.Contains(expected, (await EntryPoint.RunAsync("run", Swap, "--model", Model(), "--partner", partner, "--out", _scratch["out"])).Refusal, StringComparison.Ordinal);

        await Refused("straight", "--partner: expected PLACE=WHO, found straight");
        await Refused("3=straight", "--partner 3=straight: expected a place from 1 to 2, the agents of scenario swap, found 3");
        await Refused("2=nobody", "--partner 2=nobody: expected straight, reciprocal, a model's file");
        await Refused($"2={_scratch["none.safetensors"]}", $"{_scratch["none.safetensors"]}: cannot be read");
        await Refused($"2=replay:{_scratch["none"]}", _scratch["none"]);
        var paths = _scratch["paths.npy"];
        Npy.Write<double>(paths, new double[6].AsMemory(), 1, 6);
        await Refused($"2=replay:{paths}", $"{paths}: paths: expected shape (paths, times, 2 or 3)");
        var twice = (await EntryPoint.RunAsync("run", Swap, "--model", Model(), "--partner", "2=straight", "--partner", "2=reciprocal", "--out", _scratch["out"])).Refusal;
        Assert.Contains("expected each place once, found place 2 twice", twice, StringComparison.Ordinal);
        Assert.False(Directory.Exists(_scratch["out"]));
    }

    private async Task<string> HashAsync(string folder, params string[] arguments)
    {
        (await EntryPoint.RunAsync(["run", .. arguments, "--episodes", "3", "--seed", "4", "--out", _scratch[folder]])).Success.ToString();
        using var result = JsonDocument.Parse(await File.ReadAllTextAsync(_scratch[folder + "/result.json"]));
        return result.RootElement.GetProperty("trajectoryHash").GetString()!;
    }

    private string Model()
    {
        var path = _scratch["swap.safetensors"];
        RandomModel.Write(path, RandomModel.Complete(RandomModel.Spec() with { Scenario = "swap", TimeStep = Scenario.Load(Swap).TimeStep }));
        return path;
    }

    private NdArray<float> Positions(string folder)
    {
        using var reader = new NpzReader(_scratch[folder + "/rollouts.npz"]);
        return reader.Read<float>("positions");
    }
}
