namespace MimicD.World.Experts;

/// <summary>
/// The problem as a nonlinear program over states and controls of all steps, with first and second derivatives.
/// State of an agent: x, y, heading, and the previous control (speed, turn rate), which makes limits on control changes stagewise.
/// </summary>
/// <remarks>
/// Lagrangian: f(z) - lambda^T g(z) + sum_k y_{k+1}^T (F(x_k, u_k) - x_{k+1}), with g >= 0 the inequalities and F the explicit Euler step.
/// </remarks>
internal sealed class UnicycleTranscription
{
    /// <summary>Entries of one agent's state.</summary>
    public const int StateSize = 5;

    /// <summary>Entries of one agent's control.</summary>
    public const int ControlSize = 2;

    private const int MaxTerms = 4;

    private enum Kind : byte { Linear, Disc, Pair }

    private readonly UnicycleProblem _problem;
    private readonly Kind[] _kind;
    private readonly int[] _disc;
    private readonly double[] _offset;

    public UnicycleTranscription(UnicycleProblem problem)
    {
        ArgumentNullException.ThrowIfNull(problem);
        _problem = problem;
        foreach (UnicycleAgent agent in problem.Agents)
        {
            if (agent.Reference is { } reference && reference.Length != 3 * problem.Knots)
            {
                throw new ArgumentException($"A reference needs {problem.Knots} x 3 entries and has {reference.Length}.", nameof(problem));
            }
        }

        Agents = problem.Agents.Count;
        Stages = problem.Knots - 1;
        N = StateSize * Agents;
        M = ControlSize * Agents;

        var stage = new List<int>();
        var kind = new List<Kind>();
        var disc = new List<int>();
        var offset = new List<double>();
        var index = new List<int>();
        var coefficient = new List<double>();
        for (int k = 0; k <= Stages; k++)
        {
            void Add(Kind what, int which, double constant, params ReadOnlySpan<(int Index, double Coefficient)> terms)
            {
                stage.Add(k);
                kind.Add(what);
                disc.Add(which);
                offset.Add(constant);
                for (int t = 0; t < MaxTerms; t++)
                {
                    index.Add(t < terms.Length ? terms[t].Index : -1);
                    coefficient.Add(t < terms.Length ? terms[t].Coefficient : 0);
                }
            }

            for (int a = 0; a < Agents; a++)
            {
                UnicycleLimits limits = problem.Agents[a].Limits;
                int x = StateSize * a;
                int u = N + (ControlSize * a);
                if (k > 0)
                {
                    for (int d = 0; d < problem.Discs.Count; d++)
                    {
                        Add(Kind.Disc, d, 0, (x, 0), (x + 1, 0));
                    }

                    if (double.IsFinite(problem.MaxAbsY))
                    {
                        Add(Kind.Linear, 0, problem.MaxAbsY, (x + 1, 1));
                        Add(Kind.Linear, 0, problem.MaxAbsY, (x + 1, -1));
                    }

                    for (int b = a + 1; problem.PairDistance > 0 && b < Agents; b++)
                    {
                        int other = StateSize * b;
                        Add(Kind.Pair, 0, 0, (x, 0), (x + 1, 0), (other, 0), (other + 1, 0));
                    }

                    for (int c = 0; c < ControlSize; c++)
                    {
                        double most = c == 0 ? limits.MaxSpeedChange : limits.MaxTurnRateChange;
                        if (!double.IsFinite(most))
                        {
                            continue;
                        }

                        // The control after the last is zero, so the last change is that of the previous control alone.
                        if (k < Stages)
                        {
                            Add(Kind.Linear, 0, most, (u + c, 1), (x + 3 + c, -1));
                            Add(Kind.Linear, 0, most, (u + c, -1), (x + 3 + c, 1));
                        }
                        else
                        {
                            Add(Kind.Linear, 0, most, (x + 3 + c, 1));
                            Add(Kind.Linear, 0, most, (x + 3 + c, -1));
                        }
                    }
                }

                if (k < Stages)
                {
                    if (double.IsFinite(limits.MinSpeed))
                    {
                        Add(Kind.Linear, 0, -limits.MinSpeed, (u, 1));
                    }

                    if (double.IsFinite(limits.MaxSpeed))
                    {
                        Add(Kind.Linear, 0, limits.MaxSpeed, (u, -1));
                    }
                }
            }
        }

        Count = stage.Count;
        Stage = [.. stage];
        _kind = [.. kind];
        _disc = [.. disc];
        _offset = [.. offset];
        Index = [.. index];
        Jacobian = [.. coefficient];
    }

    /// <summary>Number of agents.</summary>
    public int Agents { get; }

    /// <summary>Number of free controls; states are numbered 0..Stages.</summary>
    public int Stages { get; }

    /// <summary>Size of the joint state.</summary>
    public int N { get; }

    /// <summary>Size of the joint control.</summary>
    public int M { get; }

    /// <summary>Number of inequalities.</summary>
    public int Count { get; }

    /// <summary>[Count]: the step an inequality belongs to.</summary>
    public int[] Stage { get; }

    /// <summary>[Count, 4]: entries of (state, control) of that step the inequality depends on; -1 for none.</summary>
    public int[] Index { get; }

    /// <summary>[Count, 4]: derivatives by these entries, refreshed by <see cref="Linearise"/>.</summary>
    public double[] Jacobian { get; }

    /// <summary>The cost.</summary>
    public double Cost(double[] x, double[] u)
    {
        double cost = 0;
        for (int a = 0; a < Agents; a++)
        {
            UnicycleAgent agent = _problem.Agents[a];
            UnicycleWeights w = agent.Weights;
            for (int k = 0; k <= Stages; k++)
            {
                int s = (k * N) + (StateSize * a);
                int c = (k * M) + (ControlSize * a);
                (double ex, double ey, double eh) = Deviation(agent, k, x, s);
                cost += (w.X * ex * ex) + (w.Y * ey * ey) + (w.Heading * eh * eh);
                double v = k < Stages ? u[c] : 0;
                double omega = k < Stages ? u[c + 1] : 0;
                cost += (w.Speed * v * v) + (w.TurnRate * omega * omega);
                if (k > 0)
                {
                    double dv = v - x[s + 3];
                    double domega = omega - x[s + 4];
                    cost += (w.SpeedChange * dv * dv) + (w.TurnRateChange * domega * domega);
                }

                if (k == Stages)
                {
                    ex = x[s] - agent.GoalX;
                    ey = x[s + 1] - agent.GoalY;
                    eh = x[s + 2] - agent.ReferenceHeading;
                    cost += (w.FinalX * ex * ex) + (w.FinalY * ey * ey) + (w.FinalHeading * eh * eh);
                }
            }
        }

        return 0.5 * cost;
    }

    /// <summary>Gradient of the cost, [Stages + 1, N + M].</summary>
    public void CostGradient(double[] x, double[] u, double[] gradient)
    {
        Array.Clear(gradient);
        int width = N + M;
        for (int a = 0; a < Agents; a++)
        {
            UnicycleAgent agent = _problem.Agents[a];
            UnicycleWeights w = agent.Weights;
            for (int k = 0; k <= Stages; k++)
            {
                int s = (k * N) + (StateSize * a);
                int c = (k * M) + (ControlSize * a);
                int gs = (k * width) + (StateSize * a);
                int gc = (k * width) + N + (ControlSize * a);
                (double ex, double ey, double eh) = Deviation(agent, k, x, s);
                gradient[gs] += w.X * ex;
                gradient[gs + 1] += w.Y * ey;
                gradient[gs + 2] += w.Heading * eh;
                double v = k < Stages ? u[c] : 0;
                double omega = k < Stages ? u[c + 1] : 0;
                double dv = k > 0 ? w.SpeedChange * (v - x[s + 3]) : 0;
                double domega = k > 0 ? w.TurnRateChange * (omega - x[s + 4]) : 0;
                gradient[gs + 3] -= dv;
                gradient[gs + 4] -= domega;
                if (k < Stages)
                {
                    gradient[gc] += (w.Speed * v) + dv;
                    gradient[gc + 1] += (w.TurnRate * omega) + domega;
                }
                else
                {
                    gradient[gs] += w.FinalX * (x[s] - agent.GoalX);
                    gradient[gs + 1] += w.FinalY * (x[s + 1] - agent.GoalY);
                    gradient[gs + 2] += w.FinalHeading * (x[s + 2] - agent.ReferenceHeading);
                }
            }
        }
    }

    /// <summary>Defects F(x_k, u_k) - x_{k+1}, [Stages, N].</summary>
    public void Defects(double[] x, double[] u, double[] defects)
    {
        double dt = _problem.TimeStep;
        for (int k = 0; k < Stages; k++)
        {
            for (int a = 0; a < Agents; a++)
            {
                int s = (k * N) + (StateSize * a);
                int c = (k * M) + (ControlSize * a);
                int next = s + N;
                defects[s] = x[s] + (dt * u[c] * Math.Cos(x[s + 2])) - x[next];
                defects[s + 1] = x[s + 1] + (dt * u[c] * Math.Sin(x[s + 2])) - x[next + 1];
                defects[s + 2] = x[s + 2] + (dt * u[c + 1]) - x[next + 2];
                defects[s + 3] = u[c] - x[next + 3];
                defects[s + 4] = u[c + 1] - x[next + 4];
            }
        }
    }

    /// <summary>
    /// The entries of the Euler step's Jacobian that are not constant, [Stages, Agents, 4]: the heading's and the speed's effect on x and y.
    /// </summary>
    public void StepJacobian(double[] x, double[] u, double[] jacobian)
    {
        double dt = _problem.TimeStep;
        for (int k = 0; k < Stages; k++)
        {
            for (int a = 0; a < Agents; a++)
            {
                int s = (k * N) + (StateSize * a);
                double v = u[(k * M) + (ControlSize * a)];
                (double sin, double cos) = Math.SinCos(x[s + 2]);
                int j = 4 * ((k * Agents) + a);
                jacobian[j] = -dt * v * sin;
                jacobian[j + 1] = dt * v * cos;
                jacobian[j + 2] = dt * cos;
                jacobian[j + 3] = dt * sin;
            }
        }
    }

    /// <summary>Values of the inequalities, [Count]; a distance d against a limit r enters as (d^2 - r^2) / (2 r), which is smooth and about d - r.</summary>
    public void Inequalities(double[] x, double[] u, double[] values)
    {
        for (int i = 0; i < Count; i++)
        {
            int s = Stage[i] * N;
            int at = MaxTerms * i;
            switch (_kind[i])
            {
                case Kind.Disc:
                    Disc disc = _problem.Discs[_disc[i]];
                    double cx = x[s + Index[at]] - disc.X;
                    double cy = x[s + Index[at + 1]] - disc.Y;
                    values[i] = ((cx * cx) + (cy * cy) - (disc.Radius * disc.Radius)) / (2 * disc.Radius);
                    break;
                case Kind.Pair:
                    double limit = _problem.PairDistance;
                    double px = x[s + Index[at]] - x[s + Index[at + 2]];
                    double py = x[s + Index[at + 1]] - x[s + Index[at + 3]];
                    values[i] = ((px * px) + (py * py) - (limit * limit)) / (2 * limit);
                    break;
                default:
                    double value = _offset[i];
                    for (int t = 0; t < MaxTerms && Index[at + t] >= 0; t++)
                    {
                        int entry = Index[at + t];
                        value += Jacobian[at + t] * (entry < N ? x[s + entry] : u[(Stage[i] * M) + entry - N]);
                    }

                    values[i] = value;
                    break;
            }
        }
    }

    /// <summary>Refreshes <see cref="Jacobian"/> at the given states.</summary>
    public void Linearise(double[] x)
    {
        for (int i = 0; i < Count; i++)
        {
            int s = Stage[i] * N;
            int at = MaxTerms * i;
            if (_kind[i] == Kind.Disc)
            {
                Disc disc = _problem.Discs[_disc[i]];
                Jacobian[at] = (x[s + Index[at]] - disc.X) / disc.Radius;
                Jacobian[at + 1] = (x[s + Index[at + 1]] - disc.Y) / disc.Radius;
            }
            else if (_kind[i] == Kind.Pair)
            {
                double px = (x[s + Index[at]] - x[s + Index[at + 2]]) / _problem.PairDistance;
                double py = (x[s + Index[at + 1]] - x[s + Index[at + 3]]) / _problem.PairDistance;
                Jacobian[at] = px;
                Jacobian[at + 1] = py;
                Jacobian[at + 2] = -px;
                Jacobian[at + 3] = -py;
            }
        }
    }

    /// <summary>Second derivatives of the Lagrangian, [Stages + 1, N + M, N + M] (both halves). <paramref name="y"/> is [Stages + 1, N].</summary>
    public void LagrangianHessian(double[] x, double[] u, double[] lambda, double[] y, double[] hessian)
    {
        Array.Clear(hessian);
        int width = N + M;
        double dt = _problem.TimeStep;
        for (int k = 0; k <= Stages; k++)
        {
            int h = k * width * width;
            for (int a = 0; a < Agents; a++)
            {
                UnicycleWeights w = _problem.Agents[a].Weights;
                int s = StateSize * a;
                int c = N + (ControlSize * a);
                bool last = k == Stages;
                hessian[h + (s * (width + 1))] += w.X + (last ? w.FinalX : 0);
                hessian[h + ((s + 1) * (width + 1))] += w.Y + (last ? w.FinalY : 0);
                hessian[h + ((s + 2) * (width + 1))] += w.Heading + (last ? w.FinalHeading : 0);
                if (k > 0)
                {
                    hessian[h + ((s + 3) * (width + 1))] += w.SpeedChange;
                    hessian[h + ((s + 4) * (width + 1))] += w.TurnRateChange;
                }

                if (last)
                {
                    continue;
                }

                hessian[h + (c * (width + 1))] += w.Speed + (k > 0 ? w.SpeedChange : 0);
                hessian[h + ((c + 1) * (width + 1))] += w.TurnRate + (k > 0 ? w.TurnRateChange : 0);
                if (k > 0)
                {
                    AddBoth(hessian, h, width, s + 3, c, -w.SpeedChange);
                    AddBoth(hessian, h, width, s + 4, c + 1, -w.TurnRateChange);
                }

                (double sin, double cos) = Math.SinCos(x[(k * N) + s + 2]);
                double v = u[(k * M) + (ControlSize * a)];
                double yx = y[((k + 1) * N) + s];
                double yy = y[((k + 1) * N) + s + 1];
                hessian[h + ((s + 2) * (width + 1))] -= dt * v * ((cos * yx) + (sin * yy));
                AddBoth(hessian, h, width, s + 2, c, dt * ((cos * yy) - (sin * yx)));
            }
        }

        for (int i = 0; i < Count; i++)
        {
            if (_kind[i] == Kind.Linear)
            {
                continue;
            }

            int h = Stage[i] * width * width;
            int at = MaxTerms * i;
            if (_kind[i] == Kind.Disc)
            {
                double curvature = lambda[i] / _problem.Discs[_disc[i]].Radius;
                hessian[h + (Index[at] * (width + 1))] -= curvature;
                hessian[h + (Index[at + 1] * (width + 1))] -= curvature;
            }
            else
            {
                double curvature = lambda[i] / _problem.PairDistance;
                for (int axis = 0; axis < 2; axis++)
                {
                    hessian[h + (Index[at + axis] * (width + 1))] -= curvature;
                    hessian[h + (Index[at + 2 + axis] * (width + 1))] -= curvature;
                    AddBoth(hessian, h, width, Index[at + axis], Index[at + 2 + axis], curvature);
                }
            }
        }
    }

    /// <summary>Gradient of the Lagrangian by states and controls, [Stages + 1, N + M]; needs fresh Jacobians.</summary>
    public void LagrangianGradient(double[] costGradient, double[] stepJacobian, double[] lambda, double[] y, double[] gradient)
    {
        Array.Copy(costGradient, gradient, costGradient.Length);
        int width = N + M;
        double dt = _problem.TimeStep;
        for (int i = 0; i < Count; i++)
        {
            int row = Stage[i] * width;
            for (int t = MaxTerms * i; t < MaxTerms * (i + 1) && Index[t] >= 0; t++)
            {
                gradient[row + Index[t]] -= lambda[i] * Jacobian[t];
            }
        }

        for (int k = 0; k <= Stages; k++)
        {
            for (int a = 0; a < Agents; a++)
            {
                int row = (k * width) + (StateSize * a);
                int c = (k * width) + N + (ControlSize * a);
                int own = (k * N) + (StateSize * a);
                if (k < Stages)
                {
                    int next = own + N;
                    int j = 4 * ((k * Agents) + a);
                    gradient[row] += y[next];
                    gradient[row + 1] += y[next + 1];
                    gradient[row + 2] += y[next + 2] + (stepJacobian[j] * y[next]) + (stepJacobian[j + 1] * y[next + 1]);
                    gradient[c] += (stepJacobian[j + 2] * y[next]) + (stepJacobian[j + 3] * y[next + 1]) + y[next + 3];
                    gradient[c + 1] += (dt * y[next + 2]) + y[next + 4];
                }

                for (int e = 0; e < StateSize; e++)
                {
                    gradient[row + e] -= y[own + e];
                }
            }
        }
    }

    // s: where the agent's state of step k begins in x.
    private (double X, double Y, double Heading) Deviation(UnicycleAgent agent, int k, double[] x, int s)
    {
        if (agent.Reference is { } reference)
        {
            return (x[s] - reference[3 * k], x[s + 1] - reference[(3 * k) + 1], x[s + 2] - reference[(3 * k) + 2]);
        }

        double along = (double)k / _problem.Knots;
        return (
            x[s] - agent.StartX - (along * (agent.GoalX - agent.StartX)),
            x[s + 1] - agent.StartY - (along * (agent.GoalY - agent.StartY)),
            x[s + 2] - agent.ReferenceHeading);
    }

    private static void AddBoth(double[] hessian, int h, int width, int i, int j, double value)
    {
        hessian[h + (i * width) + j] += value;
        hessian[h + (j * width) + i] += value;
    }
}
