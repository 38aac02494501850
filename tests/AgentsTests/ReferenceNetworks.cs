using MimicD.Agents;
using MimicD.Contracts;
using MimicD.Numerics;

namespace MimicD.AgentsTests;

/// <summary>
/// docs/networks.md once more, in double precision, one number at a time and with nothing precomputed: what the fast path is compared with.
/// Shares no code with it but the file reader.
/// </summary>
internal sealed class ReferenceNetworks(ModelSpec spec, SafeTensors file, int agent)
{
    private int W => spec.Network.Width;

    public double[] Forward(double[] x, double c, double[] o) => spec.Network.Kind == NetworkKind.Dit ? Dit(x, c, o) : Mlp(x, c, o);

    /// <summary>D(y; sigma, o).</summary>
    public double[] Denoise(double[] y, double sigma, double[] o, double sd)
    {
        var norm = Math.Sqrt(sd * sd + sigma * sigma);
        var f = Forward([.. y.Select(v => v / norm)], Math.Log(sigma) / 4, o);
        return [.. y.Zip(f, (a, b) => sd * sd / (norm * norm) * a + sigma * sd / norm * b)];
    }

    /// <summary>The sampler, in the words of the document.</summary>
    public double[] Sample(double[] noise, double[] o, double[]? present, double sd, OdeSolver solver, int steps)
    {
        var diffusion = spec.Diffusion;
        double Sigma(int k) => k == steps ? 0 : Math.Pow(
            Math.Pow(diffusion.SigmaMax, 1 / diffusion.Rho) + (steps == 1 ? 0 : (double)k / (steps - 1)) * (Math.Pow(diffusion.SigmaMin, 1 / diffusion.Rho) - Math.Pow(diffusion.SigmaMax, 1 / diffusion.Rho)),
            diffusion.Rho);
        var y = noise.Select(n => Sigma(0) * n).ToArray();
        for (var k = 0; k < steps; k++)
        {
            present?.CopyTo(y, 0);
            var (sigma, s) = (Sigma(k), Sigma(k + 1));
            var denoised = Denoise(y, sigma, o, sd);
            var d = y.Zip(denoised, (a, b) => (a - b) / sigma).ToArray();
            var next = y.Zip(d, (a, b) => a + (s - sigma) * b).ToArray();
            if (solver == OdeSolver.Heun && s > 0)
            {
                var again = Denoise(next, s, o, sd);
                var d2 = next.Zip(again, (a, b) => (a - b) / s).ToArray();
                next = [.. y.Select((v, j) => v + (s - sigma) * (d[j] + d2[j]) / 2)];
            }

            y = next;
            present?.CopyTo(y, 0);
        }

        return y;
    }

    /// <summary>Flow matching's sampler: equal steps from the noise at t = 0 to the plan at t = 1.</summary>
    public double[] Flow(double[] noise, double[] o, double[]? present, OdeSolver solver, int steps)
    {
        var x = noise;
        for (var k = 0; k < steps; k++)
        {
            double t = (double)k / steps, s = (k + 1.0) / steps;
            var v = Forward(x, t, o);
            var next = x.Zip(v, (a, b) => a + (s - t) * b).ToArray();
            if (solver == OdeSolver.Heun)
            {
                var again = Forward(next, s, o);
                next = [.. x.Select((a, j) => a + (s - t) * (v[j] + again[j]) / 2)];
            }

            for (var j = 0; j < (present?.Length ?? 0); j++)
            {
                next[j] = (1 - s) * noise[j] + s * present![j];
            }

            x = next;
        }

        return x;
    }

    /// <summary>F(0, 0, o).</summary>
    public double[] Answer(double[] o) => Forward(new double[spec.PlanSize], 0, o);

    private double[] Dit(double[] x, double c, double[] o)
    {
        var (a, cw, heads, length, d) = (spec.ConditionSize, spec.Network.ConditionWidth, spec.Network.Heads, spec.Plan.Length, spec.RowSize);
        var n = Noise(c);
        var k = Split(Linear("condition.in", o), a, cw);
        k = Attention(k, "condition.qkv", "condition.out", spec.Network.ConditionHeads);
        var e = Sum(n, Linear("condition.project", [.. k.SelectMany(v => v)]));
        var silu = e.Select(v => v / (1 + Math.Exp(-v))).ToArray();
        var h = new double[length][];
        for (var t = 0; t < length; t++)
        {
            h[t] = Linear("tokens", x[(t * d)..((t + 1) * d)]);
            for (var j = 0; j < W; j++)
            {
                var angle = t / Math.Pow(10000, j % (W / 2) / (W / 2 - 1.0));
                h[t][j] += j < W / 2 ? Math.Sin(angle) : Math.Cos(angle);
            }
        }

        for (var i = 0; i < spec.Network.Depth; i++)
        {
            var m = Split(Linear($"blocks.{i}.modulation", silu), 6, W);
            h = [.. h.Select(v => Modulated(v, m[0], m[1]))];
            var attended = Attention(h, $"blocks.{i}.qkv", $"blocks.{i}.out", heads);
            h = [.. h.Select((v, t) => Sum(v, Times(m[2], attended[t])))];
            h = [.. h.Select(v => Sum(v, Times(m[5], Linear($"blocks.{i}.down", [.. Linear($"blocks.{i}.up", Modulated(v, m[3], m[4])).Select(Gelu)]))))];
        }

        var last = Split(Linear("head.modulation", silu), 2, W);
        return [.. h.SelectMany(v => Linear("head.out", Modulated(v, last[0], last[1])))];
    }

    private double[] Mlp(double[] x, double c, double[] o)
    {
        var n = Noise(c);
        double[] first;
        if (spec.Network.Others == OthersEncoding.Set)
        {
            var others = spec.Sensor.Others!;
            var size = spec.Sensor.OtherSize;
            var start = o.Length - spec.ModeCount - spec.Sensor.ObstaclesSize - others.Count * size;
            var own = Octaves([.. o[..start], .. o[(start + others.Count * size)..]]);
            var pool = new double[W / 2];
            for (var k = 0; k < others.Count; k++)
            {
                var slot = o[(start + k * size)..(start + (k + 1) * size)];
                var e = Linear("others.2", [.. Sum(Linear("others.0", Octaves(slot)), Linear("others.own", own, bias: false)).Select(Mish)]).Select(Mish).ToArray();
                pool = Sum(pool, [.. e.Select(v => slot[^1] * v)]);
            }

            first = Sum(Linear("condition.0", own), Linear("condition.others", pool, bias: false));
        }
        else
        {
            first = Linear("condition.0", Octaves(o));
        }

        var f = Linear("condition.2", [.. first.Select(Mish)]).Select(Mish).ToArray();
        var h = Sum(Linear("input", x), f);
        for (var i = 0; i < spec.Network.Depth; i++)
        {
            var u = Sum(Sum(Linear($"blocks.{i}.up", Norm(h)), Linear($"blocks.{i}.noise", n, bias: false)), Linear($"blocks.{i}.condition", f, bias: false));
            h = Sum(h, Linear($"blocks.{i}.down", [.. u.Select(Mish)]));
        }

        return Linear("head", Norm(h));
    }

    private double[] Octaves(double[] o)
    {
        var octaves = Enumerable.Range(0, spec.Network.Octaves).Select(j => Math.Pow(2, j) * Math.PI / 2).ToArray();
        return [.. o, .. octaves.SelectMany(a => o.Select(v => Math.Sin(a * v)).Concat(o.Select(v => Math.Cos(a * v))))];
    }

    private double[] Noise(double c) => Linear("noise.2", [.. Linear("noise.0", [c]).Select(Mish)]);

    private double[][] Attention(double[][] rows, string qkv, string output, int heads)
    {
        var width = rows[0].Length;
        var head = width / heads;
        var all = rows.Select(r => Linear(qkv, r)).ToArray();
        var result = rows.Select(_ => new double[width]).ToArray();
        for (var h = 0; h < heads; h++)
        {
            for (var i = 0; i < rows.Length; i++)
            {
                var scores = all.Select(other => Enumerable.Range(0, head).Sum(d => all[i][h * head + d] * other[width + h * head + d]) / Math.Sqrt(head)).ToArray();
                var weights = scores.Select(s => Math.Exp(s - scores.Max())).ToArray();
                for (var d = 0; d < head; d++)
                {
                    result[i][h * head + d] = all.Select((other, j) => weights[j] * other[2 * width + h * head + d]).Sum() / weights.Sum();
                }
            }
        }

        return [.. result.Select(r => Linear(output, r))];
    }

    private double[] Linear(string name, double[] v, bool bias = true)
    {
        var weight = file.Tensors[spec.WeightPrefix(agent) + name + ".weight"];
        var outputs = weight.Shape[0];
        var result = new double[outputs];
        for (var i = 0; i < outputs; i++)
        {
            result[i] = bias ? file.Tensors[spec.WeightPrefix(agent) + name + ".bias"].Data[i] : 0;
            for (var j = 0; j < v.Length; j++)
            {
                result[i] += (double)weight.Data[i * v.Length + j] * v[j];
            }
        }

        return result;
    }

    private static double[] Norm(double[] v)
    {
        var mean = v.Average();
        var variance = v.Average(e => (e - mean) * (e - mean));
        return [.. v.Select(e => (e - mean) / Math.Sqrt(variance + 1e-6))];
    }

    private static double[] Modulated(double[] v, double[] shift, double[] scale) => Sum(Times(Norm(v), [.. scale.Select(k => 1 + k)]), shift);

    private static double[][] Split(double[] v, int parts, int width) => [.. Enumerable.Range(0, parts).Select(i => v[(i * width)..((i + 1) * width)])];

    private static double[] Sum(double[] a, double[] b) => [.. a.Zip(b, (x, y) => x + y)];

    private static double[] Times(double[] a, double[] b) => [.. a.Zip(b, (x, y) => x * y)];

    private static double Mish(double v) => v * Math.Tanh(Math.Log(1 + Math.Exp(v)));

    private static double Gelu(double v) => 0.5 * v * (1 + Math.Tanh(Math.Sqrt(2 / Math.PI) * (v + 0.044715 * v * v * v)));
}
