using System.Runtime.ExceptionServices;

namespace MimicD.Agents;

/// <summary>An agent's actor that goes on when its plan is made. It asks for no other plan before that call has returned.</summary>
public interface IAwaitsPlan
{
    /// <summary>What it asks.</summary>
    PlanQuery Query { get; }

    /// <summary>Goes on with the plan, which stands where the query said.</summary>
    /// <param name="calls">Evaluations of a network.</param>
    void Take(int calls);

    /// <summary>Has its plan made by itself and goes on.</summary>
    void PlanAlone();
}

/// <summary>
/// Agents of one thread whose plans are due, by policy, until there are enough of a policy's to be asked at once. None is told of another: each finds its plan where it wants it. Not thread-safe; allocates nothing once it has
/// seen the policies.
/// </summary>
public sealed class PlanTable
{
    private readonly Dictionary<IPolicy, Group> _groups = new(ReferenceEqualityComparer.Instance);
    private readonly List<Group> _waiting = [];

    /// <summary>Whether nobody waits.</summary>
    public bool IsEmpty => _waiting.Count == 0;

    /// <summary>Takes in an agent whose plan is due; it goes on before this returns where that makes enough of its policy's.</summary>
    /// <param name="policy">Its policy; one that takes several at once.</param>
    /// <param name="agent">The agent.</param>
    public void Add(IPolicy policy, IAwaitsPlan agent)
    {
        ArgumentNullException.ThrowIfNull(policy);
        if (!_groups.TryGetValue(policy, out var group))
        {
            _groups.Add(policy, group = new Group(policy));
        }

        if (group.IsEmpty)
        {
            _waiting.Add(group);
        }

        if (group.Add(agent))
        {
            _waiting.Remove(group);
            group.Plan();
        }
    }

    /// <summary>Has the plans made of one policy's agents, however few they are.</summary>
    /// <exception cref="InvalidOperationException">Nobody waits.</exception>
    public void PlanSome()
    {
        if (IsEmpty)
        {
            throw new InvalidOperationException("nobody waits for a plan");
        }

        var last = _waiting.Count - 1;
        var group = _waiting[last];
        _waiting.RemoveAt(last);
        group.Plan();
    }

    private sealed class Group(IPolicy policy)
    {
        private readonly IAwaitsPlan[] _agents = new IAwaitsPlan[policy.Together];
        private readonly PlanQuery[] _queries = new PlanQuery[policy.Together];
        private readonly int[] _calls = new int[policy.Together];
        private int _count;

        public bool IsEmpty => _count == 0;

        /// <summary>Whether it is full.</summary>
        public bool Add(IAwaitsPlan agent)
        {
            _agents[_count++] = agent;
            return _count == _agents.Length;
        }

        public void Plan()
        {
            var count = _count;
            _count = 0;
            var together = count > 1 && TryPlan(count);
            Exception? error = null;
            for (var i = 0; i < count; i++)
            {
                try
                {
                    if (together)
                    {
                        _agents[i].Take(_calls[i]);
                    }
                    else
                    {
                        _agents[i].PlanAlone();
                    }
                }
                catch (Exception e)
                {
                    // The others still wait for theirs.
                    error ??= e;
                }
            }

            if (error is not null)
            {
                ExceptionDispatchInfo.Throw(error);
            }
        }

        /// <summary>False where one of them makes the policy fail: each then finds out for itself.</summary>
        private bool TryPlan(int count)
        {
            try
            {
                for (var i = 0; i < count; i++)
                {
                    _queries[i] = _agents[i].Query;
                }

                policy.Plan(_queries.AsSpan(0, count), _calls.AsSpan(0, count));
                return true;
            }
            catch (Exception)
            {
                return false;
            }
        }
    }
}
