using System.Globalization;
using MimicD.Agents;
using MimicD.Contracts;
using MimicD.Numerics;

namespace MimicD.Bench.Speed;

/// <summary>One plan of the reference network, of the shipped models, and of their peers in libtorch.</summary>
internal sealed class PlanBench : ISpeedBench
{
    public string Name => "plan";

    public IEnumerable<SpeedRow> Run(string root, int rounds, CancellationToken cancellation)
    {
        var reference = ReferenceNetwork.Create();
        using var torch = PlanPeer.Libtorch(root, reference);
        using var eager = PlanPeer.Eager(root, reference);
        var (steps, operations) = (1 << 20, reference.Operations);
        reference.RequireSame("libtorch", torch.Plan());
        reference.RequireSame("PyTorch", eager.Plan());
        var spreads = Turns.Measure(rounds, cancellation, reference.Plan, () => torch.Plan(), () => eager.Plan(), () => Peak.Multiply(steps));
        var peak = Peak.Operations(steps) / spreads[3].Median;
        var flops = operations / spreads[0].Median;
        Dictionary<string, Spread> All(params (string, int)[] parts) => parts.ToDictionary(p => p.Item1, p => spreads[p.Item2]);
        yield return new SpeedRow("one plan, reference network, beside libtorch (C++, inference mode, one thread)", spreads[1].Median / spreads[0].Median, "times as fast", 4, false, All(("ours", 0), ("libtorch", 1)));
        yield return new SpeedRow("one plan, reference network, beside 20 calls in PyTorch eager", spreads[2].Median / spreads[0].Median, "times as fast", 10, false, All(("ours", 0), ("PyTorch", 2)));
        yield return new SpeedRow("of the core's peak inside one plan", 100 * flops / peak, "%", 70, false, All(("ours", 0)),
            string.Create(CultureInfo.InvariantCulture, $"{operations / 1e6:0} million operations of matrix products, {flops / 1e9:0.0} of {peak / 1e9:0.0} GFLOP/s"));
        foreach (var name in new[] { "swap", "road", "ring" })
        {
            var shipped = new PlanOf(Model.Load(Path.Combine(root, "models", name + ".safetensors")).Policies()(new AgentId(0)));
            var one = Turns.Measure(rounds, cancellation, shipped.Make)[0];
            yield return new SpeedRow($"plans a second, shipped {name} model, one core", 1 / one.Median, "plans/s", name == "swap" ? 1000 : null, false, new Dictionary<string, Spread> { ["one plan"] = one });
        }
    }
}

/// <summary>Makes plans of random observations, again and again the same.</summary>
internal sealed class PlanOf
{
    private readonly IPolicy _policy;
    private readonly float[] _frames;
    private readonly float[] _noise;
    private readonly int _mode;

    public PlanOf(IPolicy policy)
    {
        _policy = policy;
        (_frames, _noise, Actions) = (new float[policy.History * policy.FrameSize], new float[policy.NoiseSize], new float[policy.PlanActions * policy.ActionSize]);
        new CounterRandom(1, RandomPurpose.PlanNoise).FillNormal(_frames);
        new CounterRandom(2, RandomPurpose.PlanNoise).FillNormal(_noise);
        _mode = policy.ModeShares.IsEmpty ? SharedMode.None : 0;
    }

    /// <summary>The plan made last.</summary>
    public float[] Actions { get; }

    /// <summary>The observation.</summary>
    public ReadOnlySpan<float> Frames => _frames;

    /// <summary>What it starts from.</summary>
    public ReadOnlySpan<float> Noise => _noise;

    public void Make() => _policy.Plan(_frames, _noise, _mode, [], Actions);
}
