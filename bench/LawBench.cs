using System.Globalization;
using MimicD.Agents;
using MimicD.Contracts;
using MimicD.Evaluation;
using MimicD.Numerics;
using MimicD.World;

namespace MimicD.Bench;

/// <summary>Whether trained policies that share their noise agree on sides as the angle between them says (<see cref="AgreementLaw"/>).</summary>
internal static class LawBench
{
    /// <summary>Asks both agents of a swap, on their nominal places, on which side each of many noises sends them.</summary>
    /// <param name="root">The repository.</param>
    /// <param name="files">Models of the swap that know no shared mode.</param>
    /// <param name="noises">How many noises (M).</param>
    /// <param name="seed">Draws them.</param>
    /// <param name="cancellation">Gives up.</param>
    public static Task<LawFigures> RunAsync(string root, IReadOnlyList<string> files, int noises, ulong seed, CancellationToken cancellation)
    {
        var scenario = Scenario.Load(Path.Combine(root, "scenarios", "swap.json"));
        var rows = new List<LawRow>();
        Console.Out.WriteLine("agree with shared noise, 1 - theta / pi, with noise apart, theta (degrees), for above (agents 1, 2), told by a linear function; model");
        foreach (var file in files)
        {
            cancellation.ThrowIfCancellationRequested();
            var model = Model.Load(file);
            ModelFit.Require(scenario, model.Spec, file);
            InvalidInputException.Require(model.Spec.ModeCount == 0, file, "modeShares", "none: a policy that is told a mode does not decide by its noise", model.Spec.ModeCount);
            var size = model.Policies()(new AgentId(0)).NoiseSize;
            InvalidInputException.Require(size > 0, file, "method", "one that plans from noise", model.Spec.Method);
            var noise = new float[noises * size];
            new CounterRandom(seed, RandomPurpose.PlanNoise).FillNormal(noise);

            // Agreeing is to pass on opposite sides.
            var (first, second) = (Above(scenario, model, 0, noise), Above(scenario, model, 1, noise));
            var law = AgreementLaw.Measure(noise, first, Array.ConvertAll(second, up => !up));
            rows.Add(new LawRow(Path.GetFileName(file), model.Sha256, noises, law));
            Console.Out.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{law.Shared:P1}  {law.Law:P1}  {law.Apart:P1}  {law.Angle * 180 / Math.PI:F0}  {law.First:P0}, {1 - law.Second:P0}  {law.Linear:P1}  {Path.GetFileName(file)}"));
        }

        return Task.FromResult(new LawFigures(rows));
    }

    /// <summary>Whether the plan of each noise ends above where it begins, [M].</summary>
    private static bool[] Above(Scenario scenario, Model model, int agent, float[] noise)
    {
        var sensor = Sensor.For(scenario, model.Spec.Sensor);
        var bodies = scenario.NominalBodies();
        double[] starts = [.. bodies.SelectMany(b => b.Start)], goals = [.. bodies.SelectMany(b => b.Goal)];
        var policy = model.Policies(model.Spec.Sampling with { Temperature = 1 })(new AgentId(agent));
        var frames = new float[policy.History * policy.FrameSize];
        for (var h = 0; h < policy.History; h++)
        {
            sensor.Frame(new WorldView { Positions = starts, Previous = starts, Goals = goals }, agent, frames.AsSpan(h * policy.FrameSize, policy.FrameSize));
        }

        var above = new bool[noise.Length / policy.NoiseSize];
        Parallel.For(0, above.Length, m =>
        {
            var plan = new float[policy.PlanActions * policy.ActionSize];
            policy.Plan(frames, noise.AsSpan(m * policy.NoiseSize, policy.NoiseSize), plan);
            above[m] = plan[^1] > bodies[agent].Start[1];
        });
        return above;
    }
}

/// <summary>One model.</summary>
internal sealed record LawRow(string Model, string Sha256, int Noises, AgreementLaw Law);

/// <summary>All models.</summary>
internal sealed record LawFigures(IReadOnlyList<LawRow> Rows) : IMeasured
{
    public bool Holds => true;
}
