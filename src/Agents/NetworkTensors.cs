namespace MimicD.Agents;

/// <summary>Name and shape of one tensor of a network, without the network's prefix.</summary>
/// <param name="Name">Such as <c>blocks.0.up.weight</c>.</param>
/// <param name="Shape">Lengths of its axes: [out, in] for a weight, [out] for a bias.</param>
public sealed record NetworkTensor(string Name, int[] Shape);

/// <summary>The tensors that a network consists of, as <c>docs/networks.md</c> names them: the one list that loading, and making, a model goes by.</summary>
public static class NetworkTensors
{
    /// <summary>All tensors of one network of a model, in the order of the document.</summary>
    public static IReadOnlyList<NetworkTensor> Of(ModelSpec spec)
    {
        ArgumentNullException.ThrowIfNull(spec);
        var list = Of(spec.Network, spec.Plan.Length, spec.RowSize, spec.ConditionSize, spec.Slots);
        return spec.ModePosterior is null ? list : [.. list, .. OfPosterior(spec)];
    }

    /// <summary>The tensors of p(z | observation), in the order of the document.</summary>
    private static NetworkTensor[] OfPosterior(ModelSpec spec)
    {
        var (width, inputs) = (spec.ModePosterior!.Width, spec.ConditionSize - spec.ModeCount);
        return
        [
            new("mode.0.weight", [width, inputs]), new("mode.0.bias", [width]),
            new("mode.2.weight", [width, width]), new("mode.2.bias", [width]),
            new("mode.4.weight", [spec.ModeCount, width]), new("mode.4.bias", [spec.ModeCount]),
        ];
    }

    /// <summary>All tensors of a network, in the order of the document.</summary>
    /// <param name="network">Its shape.</param>
    /// <param name="planLength">L.</param>
    /// <param name="dimensions">Numbers in a plan for one tick: D, or N*D where all agents are planned for.</param>
    /// <param name="conditionSize">A.</param>
    /// <param name="slots">The set in the condition, or null for none.</param>
    public static IReadOnlyList<NetworkTensor> Of(NetworkSpec network, int planLength, int dimensions, int conditionSize, SlotSpan? slots = null)
    {
        ArgumentNullException.ThrowIfNull(network);
        var list = new List<NetworkTensor>();
        var (w, hidden) = (network.Width, network.Width * network.Expansion);
        Linear("noise.0", w, 1);
        Linear("noise.2", w, w);
        if (network.Kind == NetworkKind.Dit)
        {
            var c = network.ConditionWidth;
            Linear("condition.in", conditionSize * c, conditionSize);
            Linear("condition.qkv", 3 * c, c);
            Linear("condition.out", c, c);
            Linear("condition.project", w, conditionSize * c);
            Linear("tokens", w, dimensions);
            for (var i = 0; i < network.Depth; i++)
            {
                Linear($"blocks.{i}.modulation", 6 * w, w);
                Linear($"blocks.{i}.qkv", 3 * w, w);
                Linear($"blocks.{i}.out", w, w);
                Linear($"blocks.{i}.up", hidden, w);
                Linear($"blocks.{i}.down", w, hidden);
            }

            Linear("head.modulation", 2 * w, w);
            Linear("head.out", dimensions, w);
        }
        else
        {
            var own = conditionSize - (slots?.Length ?? 0);
            if (slots is { } set)
            {
                Linear("others.0", network.SetWidth, network.EncodedSize(set.Size));
                list.Add(new NetworkTensor("others.own.weight", [network.SetWidth, network.EncodedSize(own)]));
                Linear("others.2", network.SetWidth, network.SetWidth);
                list.Add(new NetworkTensor("condition.others.weight", [w, network.SetWidth]));
            }

            Linear("condition.0", w, network.EncodedSize(own));
            Linear("condition.2", w, w);
            Linear("input", w, planLength * dimensions);
            for (var i = 0; i < network.Depth; i++)
            {
                Linear($"blocks.{i}.up", hidden, w);
                list.Add(new NetworkTensor($"blocks.{i}.noise.weight", [hidden, w]));
                list.Add(new NetworkTensor($"blocks.{i}.condition.weight", [hidden, w]));
                Linear($"blocks.{i}.down", w, hidden);
            }

            Linear("head", network.HeadSize(planLength * dimensions), w);
        }

        return list;

        void Linear(string name, int outputs, int inputs)
        {
            list.Add(new NetworkTensor($"{name}.weight", [outputs, inputs]));
            list.Add(new NetworkTensor($"{name}.bias", [outputs]));
        }
    }
}
