using System.Globalization;
using MimicD.Agents;
using MimicD.Contracts;
using MimicD.Numerics;

namespace MimicD.Bench.Speed;

/// <summary>The paper's network for one agent of the swap with random weights: 256 wide, three blocks, plans of 25 positions, 10 Euler steps.</summary>
internal sealed class ReferenceNetwork
{
    private readonly SafeTensors _weights;
    private readonly float[] _condition;
    private readonly float[] _noise;
    private readonly float[] _present;
    private readonly float[] _plan;
    private readonly PlanSampler _sampler;

    private ReferenceNetwork(ModelSpec spec, SafeTensors weights)
    {
        (Spec, _weights) = (spec, weights);
        var denoiser = Denoiser.Load(spec, 0, weights, "reference");
        Parameters = denoiser.Parameters;
        _sampler = PlanSampler.Create(spec, spec.Normalisation[0], denoiser, spec.Sampling);
        (_condition, _noise, _present, _plan) = (Normal(spec.ConditionSize, 1), Normal(spec.PlanSize, 2), Normal(spec.RowSize, 3), new float[spec.PlanSize]);
    }

    public ModelSpec Spec { get; }

    public long Parameters { get; }

    /// <summary>Multiplications and additions of a plan's matrix products, those of the attention included.</summary>
    public double Operations
    {
        get
        {
            var (n, l, a) = (Spec.Network, (double)Spec.Plan.Length, (double)Spec.ConditionSize);
            var (w, c) = ((double)n.Width, (double)n.ConditionWidth);
            var block = l * ((4 + 2 * n.Expansion) * w * w + 2 * l * w) + 6 * w * w;
            var call = l * Spec.RowSize * 2 * w + n.Depth * block + 2 * w * w;
            return 2 * (Spec.Sampling.Steps * call + a * a * c + a * (4 * c * c + 2 * a * c) + a * c * w);
        }
    }

    public static ReferenceNetwork Create()
    {
        var spec = Complete(new ModelSpec
        {
            Scenario = "swap",
            Agents = 2,
            TimeStep = 0.1,
            SharedWeights = true,
            Sensor = new SensorSpec { Others = new OthersSpec { Count = 1, Order = OtherOrder.Identity, Frame = Frame.Absolute } },
            ConditionOnPosition = true,
            Plan = new PlanSpec { Length = 25, Frame = Frame.Absolute, StartsAtPresent = true },
            Network = new NetworkSpec { Kind = NetworkKind.Dit, Width = 256, Depth = 3 },
            Sampling = new SamplingSpec { Steps = 10, Execute = 1 },
            Normalisation = [],
        });
        return new ReferenceNetwork(spec, Weights(spec));
    }

    /// <summary>One plan.</summary>
    public void Plan() => _sampler.Sample(_condition, _noise, _present, _plan);

    /// <summary>Throws where a peer's plan is another.</summary>
    public void RequireSame(string peer, float[] plan)
    {
        Plan();
        var scale = _plan.Max(Math.Abs);
        for (var j = 0; j < _plan.Length; j++)
        {
            if (!(Math.Abs(plan[j] - _plan[j]) <= 1e-3 * scale))
            {
                throw new InvalidDataException(string.Create(CultureInfo.InvariantCulture, $"{peer}: number {j} of the plan: expected {_plan[j]}, found {plan[j]}"));
            }
        }
    }

    /// <summary>Writes what a peer needs: ten int32 (L, D, W, heads, expansion, depth, A, C, condition's heads, steps), four float64 (sigma of the data, smallest, largest, rho), tensors in the order of the document, condition, noise, present (float32).</summary>
    public void Write(string path)
    {
        var n = Spec.Network;
        using var writer = new BinaryWriter(File.Create(path));
        int[] shape = [Spec.Plan.Length, Spec.RowSize, n.Width, n.Heads, n.Expansion, n.Depth, Spec.ConditionSize, n.ConditionWidth, n.ConditionHeads, Spec.Sampling.Steps];
        double[] levels = [Spec.Normalisation[0].SigmaData, Spec.Diffusion.SigmaMin, Spec.Diffusion.SigmaMax, Spec.Diffusion.Rho];
        Array.ForEach(shape, writer.Write);
        Array.ForEach(levels, writer.Write);
        foreach (var tensor in NetworkTensors.Of(Spec))
        {
            Array.ForEach(_weights.Get(Spec.WeightPrefix(0) + tensor.Name, path, tensor.Shape), writer.Write);
        }

        Array.ForEach(_condition, writer.Write);
        Array.ForEach(_noise, writer.Write);
        Array.ForEach(_present, writer.Write);
    }

    private static ModelSpec Complete(ModelSpec spec) => spec with
    {
        Normalisation = [new NormalisationSpec(new float[spec.ConditionSize], Ones(spec.ConditionSize), new float[spec.PlanSize], Ones(spec.PlanSize), 1)],
    };

    private static SafeTensors Weights(ModelSpec spec)
    {
        var file = new SafeTensors();
        foreach (var (i, tensor) in NetworkTensors.Of(spec).Index())
        {
            var values = Normal(tensor.Shape.Aggregate(1, (a, b) => a * b), (ulong)(10 + i));
            var deviation = tensor.Shape.Length == 2 ? (float)(0.7 / Math.Sqrt(tensor.Shape[1])) : 0.1f;
            file.Add(spec.WeightPrefix(0) + tensor.Name, Array.ConvertAll(values, v => deviation * v), tensor.Shape);
        }

        return file;
    }

    private static float[] Normal(int count, ulong seed)
    {
        var values = new float[count];
        new CounterRandom(seed, RandomPurpose.TrainingWeights).FillNormal(values);
        return values;
    }

    private static float[] Ones(int count) => [.. Enumerable.Repeat(1f, count)];
}

/// <summary>A program that makes the same plan each time it is told to.</summary>
internal sealed class PlanPeer : IDisposable
{
    // One thread each, as we have.
    private static readonly (string, string?)[] OneThread = [("OMP_NUM_THREADS", "1"), ("OPENBLAS_NUM_THREADS", "1"), ("MKL_NUM_THREADS", "1")];

    private readonly Peer _peer;
    private readonly string _file;

    private PlanPeer(string name, ReferenceNetwork reference, string program, params string[] arguments)
    {
        _file = Path.GetTempFileName();
        reference.Write(_file);
        try
        {
            _peer = new Peer(name, program, [.. arguments, _file], OneThread);
        }
        catch (InvalidInputException)
        {
            File.Delete(_file);
            throw;
        }
    }

    /// <summary>libtorch from C++.</summary>
    public static PlanPeer Libtorch(string root, ReferenceNetwork reference) => new("libtorch", reference, Path.Combine(root, "build", "speed", "libtorch-plan"));

    /// <summary>PyTorch, eager.</summary>
    public static PlanPeer Eager(string root, ReferenceNetwork reference) => new("PyTorch", reference, "/usr/bin/python3", Path.Combine(root, "bench", "Speed", "plan_peer.py"));

    /// <summary>One plan.</summary>
    public float[] Plan() => [.. _peer.Ask("").Split(' ', StringSplitOptions.RemoveEmptyEntries).Select(v => float.Parse(v, CultureInfo.InvariantCulture))];

    public void Dispose()
    {
        _peer.Dispose();
        File.Delete(_file);
    }
}
