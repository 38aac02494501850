using MimicD.Contracts;

namespace MimicD.Agents;

/// <summary>
/// What an agent expects another to do: the plan that it would make itself in the other's place, by its own copy of the policy, from what it sees of the other. No message is needed for it, and it is a guess: how the other sees
/// things is worked out from the own frame, so whom the other sees and the agent does not is missing, and where the other means to go is not seen at all.
/// </summary>
/// <remarks>
/// <para>The goal. Where each agent has a network of its own, the one that the demonstrations of that agent had on average; with a network for all, as far ahead of the other, in the direction that it moves in, as the own goal is away.</para>
/// <para>The noise. The other's is not known and would be another one's; the guess starts from none, which gives the plan that goes through the middle of those it might make.</para>
/// <para>Obstacles are discs of one radius, which frames do not tell (<see cref="PredictionSpec.ObstacleRadius"/>). Earlier frames are the present one moved back at the present velocities.</para>
/// Immutable and shared by threads.
/// </remarks>
public sealed class NeighbourModel
{
    private readonly SensorSpec _sensor;
    private readonly Surroundings _surroundings;
    private readonly PredictionSpec _spec;
    private readonly IPolicy[] _policies;
    private readonly double[]?[] _goals;
    private readonly double _timeStep;
    private readonly int _self;
    private readonly float[] _noise;

    /// <summary>Makes the guesses of one agent.</summary>
    /// <param name="spec">The model's description, valid.</param>
    /// <param name="self">Who guesses; not read where weights are shared.</param>
    /// <param name="policies">The policy of each network.</param>
    /// <param name="prediction">What of the world must be known for it.</param>
    /// <exception cref="InvalidInputException">The model is of a kind that cannot be asked in another's place.</exception>
    public NeighbourModel(ModelSpec spec, AgentId self, IReadOnlyList<IPolicy> policies, PredictionSpec prediction)
    {
        ArgumentNullException.ThrowIfNull(spec);
        ArgumentNullException.ThrowIfNull(policies);
        ArgumentNullException.ThrowIfNull(prediction);
        var sensor = spec.Sensor;
        Require(spec.Plan.Of == PlanOf.Own, "none with a model that plans for the others anyway");
        var others = sensor.Others;
        Require(others is { Full: false } && (spec.SharedWeights ? others.Order == OtherOrder.Nearest : others.Order == OtherOrder.Identity && others.Count == spec.Agents - 1),
            "none with a model that does not know whose network is whose: one network for all that sees others by distance, or one for each that sees all by their index");
        (_sensor, _surroundings, _spec, _timeStep, _self) = (sensor, new Surroundings(sensor), prediction, spec.TimeStep, self.Value);
        int[] networks = [.. Enumerable.Range(0, others!.Count).Select(slot => spec.SharedWeights ? 0 : Index(slot))];
        _policies = [.. networks.Select(n => policies[n])];
        _goals = [.. networks.Select(n => spec.SharedWeights ? null : MeanGoal(spec, n))];
        _noise = new float[policies.Max(p => p.NoiseSize)];

        static void Require(bool holds, string expected) => InvalidInputException.Require(holds, "sampling", "selection.prediction", expected, "one");
    }

    /// <summary>Guesses another's plan.</summary>
    /// <param name="frame">The own newest frame, [frame size].</param>
    /// <param name="slot">The other.</param>
    /// <param name="mode">The joint mode that all take part in, or <see cref="SharedMode.None"/>.</param>
    /// <param name="scratch">Room for the other's frames, [<see cref="ScratchSize"/>].</param>
    /// <param name="plan">Receives its positions from one tick later on, [plan actions, D] [m].</param>
    /// <param name="calls">Evaluations of a network.</param>
    /// <returns>Whether anybody is in sight there.</returns>
    public bool Predict(ReadOnlySpan<float> frame, int slot, int mode, Span<float> scratch, Span<float> plan, out int calls)
    {
        calls = 0;
        var size = _sensor.FrameSize;
        for (var h = 0; h < _sensor.History; h++)
        {
            if (!WriteFrame(frame, slot, h, scratch.Slice(h * size, size)))
            {
                return false;
            }
        }

        var policy = _policies[slot];
        calls = policy.Plan(scratch[..(_sensor.History * size)], _noise.AsSpan(0, policy.NoiseSize), mode, [], plan);
        return true;
    }

    /// <summary>Floats that <see cref="Predict"/> needs.</summary>
    public int ScratchSize => _sensor.History * _sensor.FrameSize;

    /// <summary>Writes what the other in a slot would have sensed some ticks ago.</summary>
    /// <param name="own">The own newest frame.</param>
    /// <param name="slot">The other.</param>
    /// <param name="ago">Ticks.</param>
    /// <param name="frame">Receives it, [frame size].</param>
    /// <returns>Whether anybody is in sight there.</returns>
    public bool WriteFrame(ReadOnlySpan<float> own, int slot, int ago, Span<float> frame)
    {
        var d = _sensor.Dimensions;
        Span<double> position = stackalloc double[d];
        Span<double> velocity = stackalloc double[d];
        if (!_surroundings.Other(own, slot, position, velocity))
        {
            return false;
        }

        Span<double> goal = stackalloc double[d];
        Goal(own, slot, position, velocity, goal);
        Back(position, velocity, ago);
        frame.Clear();
        var at = 0;
        at = Write(frame, at, position);
        at = _sensor.Velocity ? Write(frame, at, velocity) : at;
        if (_sensor.Heading)
        {
            var speed = Norm(velocity);
            (frame[at], frame[at + 1]) = speed > 0 ? ((float)(velocity[0] / speed), (float)(velocity[1] / speed)) : (1, 0);
            at += 2;
        }

        if (_sensor.Goal is { } kind)
        {
            for (var i = 0; i < d; i++)
            {
                frame[at++] = (float)(kind == Frame.Relative ? goal[i] - position[i] : goal[i]);
            }
        }

        var others = _sensor.Others!;
        var room = frame.Slice(at, others.Count * _sensor.OtherSize);
        if (others.Order == OtherOrder.Identity)
        {
            // By index, the other left out: oneself comes where one's index says.
            var other = Index(slot);
            for (int agent = 0, to = 0; agent <= others.Count; agent++)
            {
                if (agent != other)
                {
                    WriteBody(own, agent == _self ? -1 : agent < _self ? agent : agent - 1, ago, position, room.Slice(to++ * _sensor.OtherSize, _sensor.OtherSize));
                }
            }
        }
        else
        {
            WriteNearest(own, slot, ago, position, room);
        }

        WriteObstacles(own, position, frame[(at + room.Length)..]);
        return true;
    }

    /// <summary>Whose slot it is; oneself is left out of the slots.</summary>
    private int Index(int slot) => slot < _self ? slot : slot + 1;

    private void Goal(ReadOnlySpan<float> own, int slot, ReadOnlySpan<double> position, ReadOnlySpan<double> velocity, Span<double> goal)
    {
        if (_goals[slot] is { } mean)
        {
            mean.CopyTo(goal);
            return;
        }

        var away = _surroundings.GoalDistance(own);
        var speed = Norm(velocity);
        for (var i = 0; i < goal.Length; i++)
        {
            goal[i] = position[i] + (speed > 0 ? velocity[i] / speed * away : 0);
        }
    }

    /// <summary>The nearest of the others in sight and oneself, as the other sees them.</summary>
    private void WriteNearest(ReadOnlySpan<float> own, int slot, int ago, ReadOnlySpan<double> from, Span<float> room)
    {
        var d = _sensor.Dimensions;
        var others = _sensor.Others!.Count;
        Span<double> position = stackalloc double[d];
        Span<double> velocity = stackalloc double[d];
        var (last, who) = (double.NegativeInfinity, -2);
        for (var to = 0; to < others; to++)
        {
            // The next farther one; there are few.
            var (best, next) = (double.PositiveInfinity, -2);
            for (var body = -1; body < others; body++)
            {
                if (body == slot || !Body(own, body, ago, position, velocity))
                {
                    continue;
                }

                var squared = 0.0;
                for (var i = 0; i < d; i++)
                {
                    squared += (position[i] - from[i]) * (position[i] - from[i]);
                }

                if ((squared > last || (squared == last && body > who)) && squared < best)
                {
                    (best, next) = (squared, body);
                }
            }

            if (next == -2)
            {
                return;
            }

            WriteBody(own, next, ago, from, room.Slice(to * _sensor.OtherSize, _sensor.OtherSize));
            (last, who) = (best, next);
        }
    }

    /// <summary>Writes a slot: oneself (-1), or who is in a slot of one's own frame.</summary>
    private void WriteBody(ReadOnlySpan<float> own, int body, int ago, ReadOnlySpan<double> from, Span<float> to)
    {
        var d = _sensor.Dimensions;
        Span<double> position = stackalloc double[d];
        Span<double> velocity = stackalloc double[d];
        if (!Body(own, body, ago, position, velocity))
        {
            return;
        }

        for (var i = 0; i < d; i++)
        {
            to[i] = (float)(_sensor.Others!.Frame == Frame.Relative ? position[i] - from[i] : position[i]);
            if (_sensor.OtherVelocity)
            {
                to[d + i] = (float)velocity[i];
            }
        }

        if (_sensor.Others!.Presence)
        {
            to[^1] = 1;
        }
    }

    private bool Body(ReadOnlySpan<float> own, int body, int ago, Span<double> position, Span<double> velocity)
    {
        if (body < 0)
        {
            _surroundings.Own(own, position, velocity);
        }
        else if (!_surroundings.Other(own, body, position, velocity))
        {
            return false;
        }

        Back(position, velocity, ago);
        return true;
    }

    private void WriteObstacles(ReadOnlySpan<float> own, ReadOnlySpan<double> from, Span<float> to)
    {
        var d = _sensor.Dimensions;
        Span<double> direction = stackalloc double[d];
        Span<float> clearances = stackalloc float[_surroundings.Obstacles];
        for (var slot = 0; slot < _surroundings.Obstacles; slot++)
        {
            clearances[slot] = float.PositiveInfinity;
            if (!_surroundings.Obstacle(own, slot, direction, out var clearance))
            {
                continue;
            }

            for (var i = 0; i < d; i++)
            {
                direction[i] = own[i] + direction[i] * (clearance + _spec.ObstacleRadius) - from[i];
            }

            var distance = Norm(direction);
            var there = (float)(distance - _spec.ObstacleRadius);

            // Nearest surface first.
            var place = slot;
            for (; place > 0 && clearances[place - 1] > there; place--)
            {
                clearances[place] = clearances[place - 1];
                to.Slice((place - 1) * (d + 1), d + 1).CopyTo(to.Slice(place * (d + 1), d + 1));
            }

            clearances[place] = there;
            for (var i = 0; i < d; i++)
            {
                to[place * (d + 1) + i] = distance > 0 ? (float)(direction[i] / distance) : 0;
            }

            to[place * (d + 1) + d] = there;
        }
    }

    private void Back(Span<double> position, ReadOnlySpan<double> velocity, int ago)
    {
        for (var i = 0; i < position.Length; i++)
        {
            position[i] -= ago * _timeStep * velocity[i];
        }
    }

    private static int Write(Span<float> frame, int at, ReadOnlySpan<double> values)
    {
        foreach (var value in values)
        {
            frame[at++] = (float)value;
        }

        return at;
    }

    private static double Norm(ReadOnlySpan<double> vector)
    {
        var squares = 0.0;
        foreach (var x in vector)
        {
            squares += x * x;
        }

        return Math.Sqrt(squares);
    }

    /// <summary>Where the agent of a network goes on average over its demonstrations; null where its condition does not say.</summary>
    private static double[]? MeanGoal(ModelSpec spec, int network)
    {
        var sensor = spec.Sensor;
        if (sensor.Goal is not { } frame || spec.GoalFrame is not null || (frame == Frame.Relative && !spec.ConditionOnPosition))
        {
            return null;
        }

        var d = sensor.Dimensions;
        var mean = spec.Normalisation[network].ConditionMean;
        var at = (spec.ConditionOnPosition ? d : 0) + (sensor.Velocity && !spec.IgnoreVelocity ? d : 0) + (sensor.Heading ? 2 : 0);
        return [.. Enumerable.Range(0, d).Select(i => (double)mean[at + i] + (frame == Frame.Relative ? mean[i] : 0))];
    }
}
