using MimicD.Contracts;

namespace MimicD.Agents;

/// <summary>
/// A policy for a body that does what it is told some periods later: of each plan it gives the part that will be due then. Without it a body that hears late goes, in each period, where it should have been some periods ago,
/// and gets on as many times slower. For actions that say where to be, and plans long enough.
/// </summary>
public sealed class AheadPolicy : WrappedPolicy
{
    private readonly int _periods;

    /// <summary>Looks ahead.</summary>
    /// <param name="policy">Whose plans.</param>
    /// <param name="periods">How many periods later they are carried out; 0 or more, less than its plans have.</param>
    /// <param name="where">The option that asks for it, for messages.</param>
    /// <exception cref="InvalidInputException">The plans are too short.</exception>
    public AheadPolicy(IPolicy policy, int periods, string where)
        : base(policy)
    {
        InvalidInputException.Require(periods >= 0 && periods < policy.PlanActions, where, "", $"0 to {policy.PlanActions - 1}, less than a plan's actions", periods);
        _periods = periods;
    }

    /// <inheritdoc/>
    public override int PlanActions => Policy.PlanActions - _periods;

    /// <inheritdoc/>
    public override int Plan(ReadOnlySpan<float> frames, ReadOnlySpan<float> noise, int mode, ReadOnlySpan<float> previous, Span<float> actions)
    {
        Span<float> whole = stackalloc float[Policy.PlanActions * ActionSize];
        var calls = Policy.Plan(frames, noise, mode, previous, whole);
        whole[(_periods * ActionSize)..].CopyTo(actions);
        return calls;
    }
}
