using System.Security.Cryptography;
using System.Text;
using MimicD.Agents;
using MimicD.Contracts;

namespace MimicD.Cluster;

/// <summary>One of a run's policies as plain data: a model by its hash, or a script.</summary>
public sealed record PolicyDescription
{
    /// <summary>SHA-256 of the model's file, lower-case hexadecimal, or null.</summary>
    public string? Model { get; init; }

    /// <summary>Bytes of the model's file.</summary>
    public int ModelBytes { get; init; }

    /// <summary>The script, or null.</summary>
    public ScriptedPolicy? Script { get; init; }
}

/// <summary>All that a node is told of a run before it starts. Nothing in it is executable, and nothing is added while the run goes on.</summary>
public sealed record RunDescription
{
    // What is round it in a message; much less.
    private const int Envelope = 1 << 12;

    /// <summary>What every agent may know.</summary>
    public required RunSpec Run { get; init; }

    /// <summary>Shards that the run's agents are spread over.</summary>
    public required int Shards { get; init; }

    /// <summary>The different policies of the run.</summary>
    public required IReadOnlyList<PolicyDescription> Policies { get; init; }

    /// <summary>Which of the policies each of the N places of an episode acts by, [agents]; -1 where nobody acts.</summary>
    public required IReadOnlyList<int> Places { get; init; }

    /// <summary>The hashes of the models that a node must have.</summary>
    public IEnumerable<(string Sha256, int Bytes)> Models() => Policies.Where(p => p.Model is not null).Select(p => (p.Model!, p.ModelBytes)).Distinct();

    /// <summary>Describes a run.</summary>
    /// <param name="run">What every agent may know.</param>
    /// <param name="shards">Shards.</param>
    /// <param name="sources">What the policy of each place is made of, [agents]; null where nobody acts.</param>
    /// <returns>The description, and the bytes of its models by their hashes.</returns>
    /// <exception cref="InvalidInputException">A model's file is not what it was when it was loaded.</exception>
    public static (RunDescription Description, IReadOnlyDictionary<string, byte[]> Models) Of(RunSpec run, int shards, IReadOnlyList<PolicySource?> sources)
    {
        ArgumentNullException.ThrowIfNull(run);
        ArgumentNullException.ThrowIfNull(sources);
        var models = new Dictionary<string, byte[]>(StringComparer.Ordinal);
        var policies = new List<PolicyDescription>();
        var known = new Dictionary<PolicySource, int>(ReferenceEqualityComparer.Instance);
        var places = new int[sources.Count];
        for (var place = 0; place < places.Length; place++)
        {
            places[place] = -1;
            if (sources[place] is { } source)
            {
                if (!known.TryGetValue(source, out places[place]))
                {
                    places[place] = known[source] = policies.Count;
                    policies.Add(source.Model is { } model ? new PolicyDescription { Model = model.Sha256, ModelBytes = Bytes(model).Length } : new PolicyDescription { Script = source.Script });
                }
            }
        }

        var description = new RunDescription { Run = run, Shards = shards, Policies = policies, Places = places };
        description.RequireLimits("run");
        var length = Encoding.UTF8.GetByteCount(StrictJson.Format(description, indented: false));
        InvalidInputException.Require(length <= WireLimits.MessageBytes - Envelope, "run", "", $"a description of at most {WireLimits.MessageBytes - Envelope} bytes, to be sent to nodes (fewer agents, or fewer that differ)", length);
        return (description, models);

        byte[] Bytes(Model model)
        {
            if (!models.TryGetValue(model.Sha256, out var bytes))
            {
                bytes = File.ReadAllBytes(model.Path);
                var hash = Convert.ToHexStringLower(SHA256.HashData(bytes));
                InvalidInputException.Require(hash == model.Sha256, model.Path, "", $"the file that was loaded (SHA-256 {model.Sha256})", hash);
                InvalidInputException.Require(bytes.Length <= WireLimits.ModelBytes, model.Path, "", $"at most {WireLimits.ModelBytes} bytes, to be sent to nodes", bytes.Length);
                models.Add(hash, bytes);
            }

            return bytes;
        }
    }

    /// <summary>Throws where a run is larger than what the wire may carry: at a world before it asks nodes for anything, and at a node before it makes an agent.</summary>
    private void RequireLimits(string where)
    {
        InvalidInputException.Require(Run.Episodes >= 1 && Run.Agents >= 1 && (long)Run.Episodes * Run.Agents <= WireLimits.Agents, where, "agents", $"1 to {WireLimits.Agents}, all episodes together", (long)Run.Episodes * Run.Agents);
        InvalidInputException.Require(Run.ActionSize is >= 1 and <= WireLimits.Values, where, "actionSize", $"1 to {WireLimits.Values}", Run.ActionSize);
        InvalidInputException.Require(Shards is >= 1 and <= WireLimits.Shards, where, "shards", $"1 to {WireLimits.Shards}", Shards);
        InvalidInputException.Require(Policies.Count <= WireLimits.Policies, where, "policies", $"at most {WireLimits.Policies}", Policies.Count);
        foreach (var (agent, slot) in (Run.Slots ?? [Run.Slot(new AgentId(0))]).Index())
        {
            InvalidInputException.Require(slot is null || slot.FrameSize is >= 1 and <= WireLimits.Values, where, $"places[{agent}]", $"observations of 1 to {WireLimits.Values} numbers", slot?.FrameSize);
        }
    }

    /// <summary>Reads what a world wrote.</summary>
    /// <exception cref="InvalidInputException">It is not a description, or a number in it is out of range.</exception>
    public static RunDescription Parse(string text)
    {
        const string Where = "run";
        var description = StrictJson.Parse<RunDescription>(text, Where);
        var run = description.Run;
        description.RequireLimits(Where);
        InvalidInputException.Require(run.Slots is null || run.Slots.Count == run.Agents, Where, "slots", $"{run.Agents}, one an agent", run.Slots?.Count);
        InvalidInputException.Require(description.Places.Count == run.Agents, Where, "places", $"{run.Agents}, one an agent", description.Places.Count);
        foreach (var policy in description.Policies)
        {
            InvalidInputException.Require(policy is not null && policy.Model is null != policy.Script is null, Where, "policies", "a model or a script each", policy is null ? null : "both or neither");
            InvalidInputException.Require(policy!.Model is null || (policy.Model.Length == 64 && policy.Model.All(char.IsAsciiHexDigitLower)), Where, "policies.model", "a SHA-256", policy.Model);
            InvalidInputException.Require(policy.ModelBytes is >= 0 and <= WireLimits.ModelBytes, Where, "policies.modelBytes", $"0 to {WireLimits.ModelBytes}", policy.ModelBytes);
        }

        for (var agent = 0; agent < run.Agents; agent++)
        {
            var (policy, slot) = (description.Places[agent], run.Slot(new AgentId(agent)));
            InvalidInputException.Require(slot is null ? policy == -1 : policy >= 0 && policy < description.Policies.Count, Where, $"places[{agent}]", slot is null ? "-1, for nobody acts there" : $"0 to {description.Policies.Count - 1}", policy);
            InvalidInputException.Require(slot is null || slot.Sampling is not null, Where, $"places[{agent}]", "how it samples", null);
        }

        return description;
    }

    /// <summary>Makes the policies.</summary>
    /// <param name="models">The models by their hashes; all of <see cref="Models"/>.</param>
    /// <returns>The policy of each place where somebody acts.</returns>
    /// <exception cref="InvalidInputException">A script or a way to sample that the policy refuses, or a policy that does not fit the run.</exception>
    public Func<AgentId, IPolicy> Create(Func<string, Model> models)
    {
        ArgumentNullException.ThrowIfNull(models);
        var made = new Dictionary<(int Policy, SamplingSpec Sampling), Func<AgentId, IPolicy>>();
        var places = new Func<AgentId, IPolicy>?[Run.Agents];
        for (var agent = 0; agent < places.Length; agent++)
        {
            if (Places[agent] >= 0)
            {
                var key = (Places[agent], Run.Slot(new AgentId(agent))!.Sampling);
                if (!made.TryGetValue(key, out places[agent]))
                {
                    made[key] = places[agent] = Make(Policies[key.Item1], key.Sampling);
                }
            }
        }

        return id => (places[id.Value] ?? throw new ArgumentException($"nobody acts as {id}", nameof(id)))(id);

        Func<AgentId, IPolicy> Make(PolicyDescription policy, SamplingSpec sampling)
        {
            if (policy.Model is { } hash)
            {
                return models(hash).Policies(sampling);
            }

            var script = policy.Script!.Create();
            return _ => script;
        }
    }
}

/// <summary>The sizes and the shards of a run, worked out once. What a message about the run may hold is checked against it.</summary>
public sealed class RunShape
{
    private readonly int[] _frameSizes;
    private readonly int[] _shardOf;
    private readonly int[][] _members;

    /// <summary>Works it out.</summary>
    public RunShape(RunSpec run, int shards)
    {
        ArgumentNullException.ThrowIfNull(run);
        (Agents, ActionSize) = (run.Agents, run.ActionSize);
        _frameSizes = [.. Enumerable.Range(0, run.Agents).Select(a => run.Slot(new AgentId(a))?.FrameSize ?? 0)];
        _shardOf = new int[checked(run.Episodes * run.Agents)];
        var members = new List<int>[shards];
        for (var shard = 0; shard < shards; shard++)
        {
            members[shard] = [];
        }

        for (var body = 0; body < _shardOf.Length; body++)
        {
            _shardOf[body] = -1;
            if (_frameSizes[body % Agents] > 0)
            {
                _shardOf[body] = Placement.ShardOf(body / Agents, body % Agents, shards);
                members[_shardOf[body]].Add(body);
            }
        }

        _members = [.. members.Select(m => m.ToArray())];
    }

    /// <summary>Agents an episode (N).</summary>
    public int Agents { get; }

    /// <summary>Numbers in one action.</summary>
    public int ActionSize { get; }

    /// <summary>Bodies: agents of all episodes, those that nobody acts as included.</summary>
    public int Bodies => _shardOf.Length;

    /// <summary>Shards.</summary>
    public int Shards => _members.Length;

    /// <summary>Numbers in an observation of a body; 0 where nobody acts.</summary>
    public int FrameSize(int body) => _frameSizes[body % Agents];

    /// <summary>The bodies of a shard, ascending.</summary>
    public ReadOnlySpan<int> Members(int shard) => _members[shard];

    /// <summary>Whether a shard has agents.</summary>
    public bool IsOccupied(int shard) => _members[shard].Length > 0;

    /// <summary>Whether a part of a message holds all agents of its shard, each once, in ascending order, with numbers as many as they should be and a past before the tick.</summary>
    /// <returns>Null, or why it is refused.</returns>
    public Refusal? Check(Wire.ShardObservations shard, uint tick)
    {
        ArgumentNullException.ThrowIfNull(shard);
        if (!IsWhole(shard.Shard, shard.Agents, a => (a.Episode, a.Agent)))
        {
            return Refusal.OutOfRange;
        }

        foreach (var agent in shard.Agents)
        {
            var size = _frameSizes[agent.Agent];
            if (agent.Features.Length != WireFloats.Bytes(size))
            {
                return Refusal.WrongSize;
            }

            var next = tick;
            for (var i = (agent.Past?.Frames.Count ?? 0) - 1; i >= 0; i--)
            {
                var frame = agent.Past!.Frames[i];
                if (frame.Features.Length != WireFloats.Bytes(size))
                {
                    return Refusal.WrongSize;
                }

                if (frame.Tick >= next)
                {
                    return Refusal.OutOfRange;
                }

                next = frame.Tick;
            }
        }

        return null;
    }

    /// <summary>The same for answers.</summary>
    /// <returns>Null, or why it is refused.</returns>
    public Refusal? Check(Wire.ShardActions shard)
    {
        ArgumentNullException.ThrowIfNull(shard);
        return !IsWhole(shard.Shard, shard.Agents, a => (a.Episode, a.Agent)) ? Refusal.OutOfRange
            : shard.Agents.Any(a => a.Values.Length != WireFloats.Bytes(a.Stopped is null ? ActionSize : 0)) ? Refusal.WrongSize
            : null;
    }

    private bool IsWhole<T>(uint shard, IReadOnlyList<T> agents, Func<T, (uint Episode, uint Agent)> id)
    {
        if (shard >= (uint)_members.Length || agents.Count != _members[shard].Length)
        {
            return false;
        }

        for (var i = 0; i < agents.Count; i++)
        {
            var (episode, agent) = id(agents[i]);
            if (agent >= (uint)Agents || episode * (long)Agents + agent != _members[shard][i])
            {
                return false;
            }
        }

        return true;
    }
}
