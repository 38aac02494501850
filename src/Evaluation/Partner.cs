using System.Security.Cryptography;
using System.Runtime.InteropServices;
using MimicD.Agents;
using MimicD.Contracts;
using MimicD.Numerics;
using MimicD.World;

namespace MimicD.Evaluation;

/// <summary>
/// Who takes one agent's place instead of what the others act by: a scripted policy, another model, or nobody, the body following recorded paths. So cooperation with somebody
/// who was not trained along, who does not communicate, and perhaps does not even react, can be measured.
/// </summary>
/// <param name="Agent">The place, 0 to N-1.</param>
/// <param name="Who">As it was written: a policy's name, a model's file, or <c>replay:</c> and a file.</param>
/// <param name="Where">The option or the key that named it.</param>
/// <param name="Player">Who acts there; null where the body is replayed.</param>
/// <param name="Replay">The paths that the body follows; null where somebody acts.</param>
/// <param name="Identity">What its behaviour follows from: the name, or the hash of what the file holds.</param>
public sealed record Partner(int Agent, string Who, string Where, Player? Player, Replay? Replay, string Identity)
{
    /// <summary>What precedes a file of recorded paths.</summary>
    public const string ReplayPrefix = "replay:";

    private const string ModelEnding = ".safetensors";

    /// <summary>What can be written for a partner, for help and messages.</summary>
    public static string Choices => $"{string.Join(", ", ScriptedPolicies.Names)}, a model's file (*{ModelEnding}), or {ReplayPrefix}PATH (rollouts, demonstrations, or an .npy of [paths, times, D])";

    /// <summary>Reads <c>PLACE=WHO</c>, places counted from 1.</summary>
    /// <param name="text">The text.</param>
    /// <param name="scenario">What is simulated.</param>
    /// <param name="option">The option that it was given to.</param>
    /// <exception cref="InvalidInputException">No such place, nobody of that name, or a file that cannot be read or does not fit.</exception>
    public static Partner Parse(string text, Scenario scenario, string option)
    {
        ArgumentNullException.ThrowIfNull(text);
        ArgumentNullException.ThrowIfNull(scenario);
        var equals = text.IndexOf('=', StringComparison.Ordinal);
        InvalidInputException.Require(equals > 0, option, "", "PLACE=WHO", text);
        return Create(text[..equals], text[(equals + 1)..], scenario, $"{option} {text}");
    }

    /// <summary>Makes a partner.</summary>
    /// <param name="place">The place, counted from 1.</param>
    /// <param name="who">See <see cref="Choices"/>.</param>
    /// <param name="scenario">What is simulated.</param>
    /// <param name="where">The option or the key that named it.</param>
    /// <param name="resolve">Where a file that is named lies, or null where it is named from the current folder.</param>
    /// <exception cref="InvalidInputException">As for <see cref="Parse"/>.</exception>
    public static Partner Create(string place, string who, Scenario scenario, string where, Func<string, string>? resolve = null)
    {
        ArgumentNullException.ThrowIfNull(who);
        resolve ??= path => path;
        ArgumentNullException.ThrowIfNull(scenario);
        InvalidInputException.Require(PlainNumber.TryWhole<int>(place, out var number) && number >= 1 && number <= scenario.Agents, where, "", $"a place from 1 to {scenario.Agents}, the agents of scenario {scenario.Name}", place);
        var agent = number - 1;
        if (who.StartsWith(ReplayPrefix, StringComparison.Ordinal))
        {
            var file = resolve(who[ReplayPrefix.Length..]);
            var paths = Paths(file, agent, scenario);
            var replay = new Replay(agent, paths, file);
            replay.Require(scenario);
            return new Partner(agent, who, where, null, replay, Convert.ToHexStringLower(SHA256.HashData(MemoryMarshal.AsBytes(paths.Data.AsSpan()))));
        }

        if (who.EndsWith(ModelEnding, StringComparison.Ordinal))
        {
            var file = resolve(who);
            var model = Model.Load(file);
            ModelFit.Require(scenario, model.Spec, file);
            return new Partner(agent, who, where, Player.Of(model), null, model.Sha256);
        }

        InvalidInputException.Require(ScriptedPolicies.Names.Contains(who, StringComparer.Ordinal), where, "", Choices, who + Suggestion.For(who, ScriptedPolicies.Names));
        return new Partner(agent, who, where, ScriptedPolicies.Create(who, scenario, where), null, who);
    }

    /// <summary>One agent's paths in a file of rollouts, of demonstrations, or of paths alone, [M,T,D].</summary>
    private static NdArray<double> Paths(string file, int agent, Scenario scenario)
    {
        if (file.EndsWith(".npy", StringComparison.Ordinal) && File.Exists(file))
        {
            return Npy.Read<double>(file);
        }

        if (file.EndsWith(".npz", StringComparison.Ordinal) || File.Exists(Path.Combine(file, RolloutFile.Name)))
        {
            var paths = RolloutFile.Load(file, scenario).Paths;
            return Of(paths.Positions, paths.Episodes, paths.Agents, paths.Times, paths.Dimensions);
        }

        var set = DemonstrationSet.Load(file, scenario);
        set.RequireFits(scenario, file);
        return Of(set.Positions.Data, set.Count, set.Agents, set.Steps, set.Dimensions);

        NdArray<double> Of(double[] positions, int count, int agents, int times, int dimensions)
        {
            InvalidInputException.Require(agents == scenario.Agents, file, "positions", $"{scenario.Agents} agents as in scenario {scenario.Name}", agents);
            var size = times * dimensions;
            var own = new double[count * size];
            for (var i = 0; i < count; i++)
            {
                positions.AsSpan((i * agents + agent) * size, size).CopyTo(own.AsSpan(i * size));
            }

            return new NdArray<double>([count, times, dimensions], own);
        }
    }
}
