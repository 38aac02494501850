namespace MimicD.World.Experts;

/// <summary>One run of the interior-point method; see <see cref="UnicycleSolver"/>.</summary>
internal sealed class InteriorPoint
{
    // Constants of Waechter and Biegler 2006 in their notation.
    private const double BarrierFactor = 0.2;           // kappa_mu
    private const double BarrierPower = 1.5;            // theta_mu
    private const double BarrierTolerance = 10;         // kappa_epsilon
    private const double MinBoundary = 0.99;            // tau_min
    private const double FilterTheta = 1e-5;            // gamma_theta
    private const double FilterPhi = 1e-5;              // gamma_phi
    private const double Armijo = 1e-4;                 // eta_phi
    private const double SwitchPhi = 2.3;               // s_phi
    private const double SwitchTheta = 1.1;             // s_theta
    private const double SmallTheta = 1e-4;             // theta_min
    private const double LargeTheta = 1e4;              // theta_max
    private const double MultiplierBand = 1e10;         // kappa_Sigma

    private const double DoubleRounding = 2.2e-16;
    private const double FirstSlack = 1e-2;
    private const double FirstRegularisation = 1e-4;
    private const double MaxRegularisation = 1e8;
    private const int MaxHalvings = 12;
    private const int MaxSearches = 8;

    private readonly UnicycleProblem _problem;
    private readonly UnicycleSolverSettings _settings;
    private readonly UnicycleTranscription _nlp;
    private readonly int _n, _m, _width, _stages, _count;
    private readonly double[] _x, _u, _y, _s, _lambda;
    private readonly double[] _trialX, _trialU, _trialG, _trialDefects;
    private readonly double[] _dx, _du, _newY, _ds, _dlambda;
    private readonly double[] _g, _defects, _stepJacobian, _costGradient, _gradient, _hessian, _linear;
    private readonly double[] _value, _valueGradient, _gain, _offset;
    private readonly double[] _pa, _pb, _qxx, _qux, _quu, _qx, _qu, _shifted;
    private readonly List<(double Theta, double Phi)> _filter = [];
    private double _regularisation;

    public InteriorPoint(UnicycleProblem problem, ReadOnlySpan<double> guess, UnicycleSolverSettings settings)
    {
        _problem = problem;
        _settings = settings;
        _nlp = new UnicycleTranscription(problem);
        (_n, _m, _stages, _count) = (_nlp.N, _nlp.M, _nlp.Stages, _nlp.Count);
        _width = _n + _m;
        int states = (_stages + 1) * _n;
        int controls = _stages * _m;
        int all = (_stages + 1) * _width;
        (_x, _trialX, _dx, _y, _newY, _valueGradient) = (new double[states], new double[states], new double[states], new double[states], new double[states], new double[states]);
        (_u, _trialU, _du, _offset) = (new double[controls], new double[controls], new double[controls], new double[controls]);
        (_s, _lambda, _ds, _dlambda, _g, _trialG) = (new double[_count], new double[_count], new double[_count], new double[_count], new double[_count], new double[_count]);
        (_defects, _trialDefects) = (new double[_stages * _n], new double[_stages * _n]);
        _stepJacobian = new double[_stages * _nlp.Agents * 4];
        (_costGradient, _gradient, _linear) = (new double[all], new double[all], new double[all]);
        _hessian = new double[all * _width];
        _value = new double[states * _n];
        _gain = new double[controls * _n];
        (_pa, _pb) = (new double[_n * _n], new double[_n * _m]);
        (_qxx, _qux, _quu) = (new double[_n * _n], new double[_m * _n], new double[_m * _m]);
        (_qx, _qu, _shifted) = (new double[_n], new double[_m], new double[_n]);
        Start(guess);
    }

    public UnicycleSolution Run(CancellationToken cancellation)
    {
        double mu = _settings.FirstBarrier;
        _nlp.Inequalities(_x, _u, _g);
        for (int i = 0; i < _count; i++)
        {
            _s[i] = Math.Max(_g[i], FirstSlack);
            _lambda[i] = mu / _s[i];
        }

        int iteration = 0;
        int failures = 0;
        bool converged = false;
        double residual = double.PositiveInfinity;
        double firstTheta = -1;
        while (true)
        {
            cancellation.ThrowIfCancellationRequested();
            Evaluate();
            double theta = Infeasibility(_g, _s, _defects);
            if (firstTheta < 0)
            {
                firstTheta = theta;
            }

            bool lowered = false;
            while (mu > _settings.LastBarrier && Residual(mu) <= BarrierTolerance * mu)
            {
                mu = Math.Max(_settings.LastBarrier, Math.Min(BarrierFactor * mu, Math.Pow(mu, BarrierPower)));
                lowered = true;
            }

            if (lowered)
            {
                _filter.Clear();
                failures = 0;
            }

            residual = Residual(mu);
            converged = mu <= _settings.LastBarrier && residual <= _settings.Tolerance;
            if (converged || iteration >= _settings.MaxIterations)
            {
                break;
            }

            iteration++;
            bool moved = false;
            double least = 0;
            for (int search = 0; search < MaxSearches && !moved; search++)
            {
                if (!Direction(mu, least))
                {
                    break;
                }

                moved = Search(mu, theta, firstTheta);
                least = Math.Max(10 * _regularisation, 100 * FirstRegularisation);
            }

            if (!moved)
            {
                // Nothing acceptable near by: forget the filter once or twice, then give up and let the caller try another guess.
                _filter.Clear();
                if (++failures > 2)
                {
                    break;
                }
            }
        }

        return Result(residual, iteration, converged);
    }

    private void Start(ReadOnlySpan<double> guess)
    {
        double dt = _problem.TimeStep;
        int knots = _problem.Knots;
        for (int a = 0; a < _nlp.Agents; a++)
        {
            UnicycleAgent agent = _problem.Agents[a];
            double heading = agent.StartHeading;
            for (int k = 0; k <= _stages; k++)
            {
                int s = (k * _n) + (UnicycleTranscription.StateSize * a);
                int p = 2 * ((a * knots) + k);
                (_x[s], _x[s + 1]) = k == 0 ? (agent.StartX, agent.StartY) : (guess[p], guess[p + 1]);
            }

            for (int k = 0; k < _stages; k++)
            {
                int s = (k * _n) + (UnicycleTranscription.StateSize * a);
                int c = (k * _m) + (UnicycleTranscription.ControlSize * a);
                double dx = _x[s + _n] - _x[s];
                double dy = _x[s + _n + 1] - _x[s + 1];
                _x[s + 2] = heading;
                _u[c] = Math.Sqrt((dx * dx) + (dy * dy)) / dt;

                // The heading a step needs is its own direction; the start's heading is given and stays.
                double wanted = k + 1 < _stages
                    ? Math.Atan2(_x[s + (2 * _n) + 1] - _x[s + _n + 1], _x[s + (2 * _n)] - _x[s + _n])
                    : heading;
                double turn = Math.IEEERemainder(wanted - heading, 2 * Math.PI);
                _u[c + 1] = turn / dt;
                heading += turn;
                _x[s + _n + 3] = _u[c];
                _x[s + _n + 4] = _u[c + 1];
            }

            _x[(_stages * _n) + (UnicycleTranscription.StateSize * a) + 2] = heading;
        }
    }

    private void Evaluate()
    {
        _nlp.Linearise(_x);
        _nlp.Inequalities(_x, _u, _g);
        _nlp.Defects(_x, _u, _defects);
        _nlp.StepJacobian(_x, _u, _stepJacobian);
        _nlp.CostGradient(_x, _u, _costGradient);
        _nlp.LagrangianGradient(_costGradient, _stepJacobian, _lambda, _y, _gradient);
    }

    private double Residual(double mu)
    {
        double worst = 0;
        for (int k = 0; k <= _stages; k++)
        {
            // The first state is given: no condition on it.
            for (int e = k == 0 ? _n : 0; e < (k == _stages ? _n : _width); e++)
            {
                worst = Math.Max(worst, Math.Abs(_gradient[(k * _width) + e]));
            }
        }

        foreach (double defect in _defects)
        {
            worst = Math.Max(worst, Math.Abs(defect));
        }

        for (int i = 0; i < _count; i++)
        {
            worst = Math.Max(worst, Math.Abs(_g[i] - _s[i]));
            worst = Math.Max(worst, Math.Abs((_s[i] * _lambda[i]) - mu));
        }

        return worst;
    }

    private static double Infeasibility(double[] g, double[] s, double[] defects)
    {
        double sum = 0;
        foreach (double defect in defects)
        {
            sum += Math.Abs(defect);
        }

        for (int i = 0; i < s.Length; i++)
        {
            sum += Math.Abs(g[i] - s[i]);
        }

        return sum;
    }

    private double BarrierCost(double mu, double[] x, double[] u, double alpha)
    {
        // The product of slacks is taken in groups so that one logarithm serves several of them.
        const int Group = 8;
        double logs = 0;
        double product = 1;
        for (int i = 0; i < _count; i++)
        {
            product *= _s[i] + (alpha * _ds[i]);
            if (i % Group == Group - 1)
            {
                logs += Math.Log(product);
                product = 1;
            }
        }

        logs += Math.Log(product);
        return _nlp.Cost(x, u) - (mu * logs);
    }

    private bool Direction(double mu, double least)
    {
        _nlp.LagrangianHessian(_x, _u, _lambda, _y, _hessian);
        Array.Copy(_costGradient, _linear, _linear.Length);
        for (int i = 0; i < _count; i++)
        {
            double sigma = _lambda[i] / _s[i];
            double pull = (mu / _s[i]) - (sigma * (_g[i] - _s[i]));
            int stage = _nlp.Stage[i];
            int h = stage * _width * _width;
            int first = 4 * i;
            for (int p = first; p < first + 4 && _nlp.Index[p] >= 0; p++)
            {
                double scaled = sigma * _nlp.Jacobian[p];
                _linear[(stage * _width) + _nlp.Index[p]] -= pull * _nlp.Jacobian[p];
                int row = h + (_nlp.Index[p] * _width);
                for (int q = first; q < first + 4 && _nlp.Index[q] >= 0; q++)
                {
                    _hessian[row + _nlp.Index[q]] += scaled * _nlp.Jacobian[q];
                }
            }
        }

        double delta = least;
        while (!Riccati(delta))
        {
            delta = delta <= 0 ? Math.Max(FirstRegularisation, _regularisation / 3) : 4 * delta;
            if (delta > MaxRegularisation)
            {
                return false;
            }
        }

        _regularisation = delta;
        for (int i = 0; i < _count; i++)
        {
            int stage = _nlp.Stage[i];
            double change = 0;
            for (int p = 4 * i; p < (4 * i) + 4 && _nlp.Index[p] >= 0; p++)
            {
                int entry = _nlp.Index[p];
                change += _nlp.Jacobian[p] * (entry < _n ? _dx[(stage * _n) + entry] : _du[(stage * _m) + entry - _n]);
            }

            _ds[i] = change + _g[i] - _s[i];
            _dlambda[i] = (mu / _s[i]) - _lambda[i] - (_lambda[i] / _s[i] * _ds[i]);
        }

        return true;
    }

    /// <summary>Solves the linear-quadratic subproblem; false if it is not convex on the dynamics' null space.</summary>
    private bool Riccati(double delta)
    {
        int n = _n;
        int m = _m;
        int width = _width;
        int agents = _nlp.Agents;
        double dt = _problem.TimeStep;
        int value = _stages * n * n;
        int tail = _stages * width * width;
        for (int i = 0; i < n; i++)
        {
            for (int j = 0; j < n; j++)
            {
                _value[value + (i * n) + j] = _hessian[tail + (i * width) + j] + (i == j ? delta : 0);
            }

            _valueGradient[(_stages * n) + i] = _linear[(_stages * width) + i];
        }

        for (int k = _stages - 1; k >= 0; k--)
        {
            int h = k * width * width;
            value = (k + 1) * n * n;
            ReadOnlySpan<double> next = _value.AsSpan(value, n * n);

            // P A and P B column by column; A and B have a handful of entries for each agent.
            for (int i = 0; i < n; i++)
            {
                int row = i * n;
                for (int a = 0; a < agents; a++)
                {
                    int x = row + (UnicycleTranscription.StateSize * a);
                    int j = 4 * ((k * agents) + a);
                    _pa[x] = next[x];
                    _pa[x + 1] = next[x + 1];
                    _pa[x + 2] = next[x + 2] + (next[x] * _stepJacobian[j]) + (next[x + 1] * _stepJacobian[j + 1]);
                    _pa[x + 3] = 0;
                    _pa[x + 4] = 0;
                    int c = (i * m) + (UnicycleTranscription.ControlSize * a);
                    _pb[c] = (next[x] * _stepJacobian[j + 2]) + (next[x + 1] * _stepJacobian[j + 3]) + next[x + 3];
                    _pb[c + 1] = (next[x + 2] * dt) + next[x + 4];
                }
            }

            for (int i = 0; i < n; i++)
            {
                double sum = _valueGradient[((k + 1) * n) + i];
                for (int j = 0; j < n; j++)
                {
                    sum += next[(i * n) + j] * _defects[(k * n) + j];
                }

                _shifted[i] = sum;
            }

            for (int a = 0; a < agents; a++)
            {
                int x = UnicycleTranscription.StateSize * a;
                int c = UnicycleTranscription.ControlSize * a;
                int j = 4 * ((k * agents) + a);
                double hx = _stepJacobian[j];
                double hy = _stepJacobian[j + 1];
                double vx = _stepJacobian[j + 2];
                double vy = _stepJacobian[j + 3];
                for (int i = 0; i < n; i++)
                {
                    _qxx[(x * n) + i] = _hessian[h + (x * width) + i] + _pa[(x * n) + i];
                    _qxx[((x + 1) * n) + i] = _hessian[h + ((x + 1) * width) + i] + _pa[((x + 1) * n) + i];
                    _qxx[((x + 2) * n) + i] = _hessian[h + ((x + 2) * width) + i] + _pa[((x + 2) * n) + i] + (hx * _pa[(x * n) + i]) + (hy * _pa[((x + 1) * n) + i]);
                    _qxx[((x + 3) * n) + i] = _hessian[h + ((x + 3) * width) + i];
                    _qxx[((x + 4) * n) + i] = _hessian[h + ((x + 4) * width) + i];
                    _qux[(c * n) + i] = _hessian[h + ((n + c) * width) + i] + (vx * _pa[(x * n) + i]) + (vy * _pa[((x + 1) * n) + i]) + _pa[((x + 3) * n) + i];
                    _qux[((c + 1) * n) + i] = _hessian[h + ((n + c + 1) * width) + i] + (dt * _pa[((x + 2) * n) + i]) + _pa[((x + 4) * n) + i];
                }

                for (int i = 0; i < m; i++)
                {
                    _quu[(c * m) + i] = _hessian[h + ((n + c) * width) + n + i] + (vx * _pb[(x * m) + i]) + (vy * _pb[((x + 1) * m) + i]) + _pb[((x + 3) * m) + i];
                    _quu[((c + 1) * m) + i] = _hessian[h + ((n + c + 1) * width) + n + i] + (dt * _pb[((x + 2) * m) + i]) + _pb[((x + 4) * m) + i];
                }

                int linear = k * width;
                _qx[x] = _linear[linear + x] + _shifted[x];
                _qx[x + 1] = _linear[linear + x + 1] + _shifted[x + 1];
                _qx[x + 2] = _linear[linear + x + 2] + _shifted[x + 2] + (hx * _shifted[x]) + (hy * _shifted[x + 1]);
                _qx[x + 3] = _linear[linear + x + 3];
                _qx[x + 4] = _linear[linear + x + 4];
                _qu[c] = _linear[linear + n + c] + (vx * _shifted[x]) + (vy * _shifted[x + 1]) + _shifted[x + 3];
                _qu[c + 1] = _linear[linear + n + c + 1] + (dt * _shifted[x + 2]) + _shifted[x + 4];
            }

            for (int i = 0; i < n; i++)
            {
                _qxx[(i * n) + i] += delta;
            }

            for (int i = 0; i < m; i++)
            {
                _quu[(i * m) + i] += delta;
            }

            if (!Factor(_quu, m))
            {
                return false;
            }

            Span<double> gain = _gain.AsSpan(k * m * n, m * n);
            Span<double> offset = _offset.AsSpan(k * m, m);
            for (int i = 0; i < m * n; i++)
            {
                gain[i] = -_qux[i];
            }

            for (int i = 0; i < m; i++)
            {
                offset[i] = -_qu[i];
            }

            SolveFactored(_quu, m, gain, n);
            SolveFactored(_quu, m, offset, 1);

            Span<double> own = _value.AsSpan(k * n * n, n * n);
            for (int i = 0; i < n; i++)
            {
                for (int j = 0; j <= i; j++)
                {
                    double sum = 0.5 * (_qxx[(i * n) + j] + _qxx[(j * n) + i]);
                    for (int c = 0; c < m; c++)
                    {
                        sum += _qux[(c * n) + i] * gain[(c * n) + j];
                    }

                    own[(i * n) + j] = sum;
                    own[(j * n) + i] = sum;
                }

                double slope = _qx[i];
                for (int c = 0; c < m; c++)
                {
                    slope += _qux[(c * n) + i] * offset[c];
                }

                _valueGradient[(k * n) + i] = slope;
            }
        }

        Forward();
        return true;
    }

    private void Forward()
    {
        int n = _n;
        int m = _m;
        double dt = _problem.TimeStep;
        Array.Clear(_dx, 0, n);
        for (int k = 0; k < _stages; k++)
        {
            for (int c = 0; c < m; c++)
            {
                double sum = _offset[(k * m) + c];
                for (int i = 0; i < n; i++)
                {
                    sum += _gain[(((k * m) + c) * n) + i] * _dx[(k * n) + i];
                }

                _du[(k * m) + c] = sum;
            }

            for (int a = 0; a < _nlp.Agents; a++)
            {
                int s = (k * n) + (UnicycleTranscription.StateSize * a);
                int c = (k * m) + (UnicycleTranscription.ControlSize * a);
                int j = 4 * ((k * _nlp.Agents) + a);
                _dx[s + n] = _dx[s] + (_stepJacobian[j] * _dx[s + 2]) + (_stepJacobian[j + 2] * _du[c]) + _defects[s];
                _dx[s + n + 1] = _dx[s + 1] + (_stepJacobian[j + 1] * _dx[s + 2]) + (_stepJacobian[j + 3] * _du[c]) + _defects[s + 1];
                _dx[s + n + 2] = _dx[s + 2] + (dt * _du[c + 1]) + _defects[s + 2];
                _dx[s + n + 3] = _du[c] + _defects[s + 3];
                _dx[s + n + 4] = _du[c + 1] + _defects[s + 4];
            }
        }

        for (int k = 0; k <= _stages; k++)
        {
            for (int i = 0; i < n; i++)
            {
                double sum = _valueGradient[(k * n) + i];
                for (int j = 0; j < n; j++)
                {
                    sum += _value[(((k * n) + i) * n) + j] * _dx[(k * n) + j];
                }

                _newY[(k * n) + i] = sum;
            }
        }
    }

    private bool Search(double mu, double theta, double firstTheta)
    {
        double boundary = Math.Max(MinBoundary, 1 - mu);
        double primal = 1;
        double dual = 1;
        double slope = 0;
        for (int i = 0; i < _count; i++)
        {
            if (_ds[i] < 0)
            {
                primal = Math.Min(primal, -boundary * _s[i] / _ds[i]);
            }

            if (_dlambda[i] < 0)
            {
                dual = Math.Min(dual, -boundary * _lambda[i] / _dlambda[i]);
            }

            slope -= mu * _ds[i] / _s[i];
        }

        for (int k = 0; k <= _stages; k++)
        {
            for (int i = 0; i < _n; i++)
            {
                slope += _costGradient[(k * _width) + i] * _dx[(k * _n) + i];
            }

            for (int c = 0; k < _stages && c < _m; c++)
            {
                slope += _costGradient[(k * _width) + _n + c] * _du[(k * _m) + c];
            }
        }

        double phi = BarrierCost(mu, _x, _u, 0);
        double smallTheta = SmallTheta * Math.Max(1, firstTheta);
        double largeTheta = LargeTheta * Math.Max(1, firstTheta);
        double rounding = 10 * DoubleRounding * Math.Abs(phi);
        double alpha = primal;
        for (int halving = 0; halving <= MaxHalvings; halving++, alpha *= 0.5)
        {
            for (int i = 0; i < _x.Length; i++)
            {
                _trialX[i] = _x[i] + (alpha * _dx[i]);
            }

            for (int i = 0; i < _u.Length; i++)
            {
                _trialU[i] = _u[i] + (alpha * _du[i]);
            }

            _nlp.Inequalities(_trialX, _trialU, _trialG);
            _nlp.Defects(_trialX, _trialU, _trialDefects);
            double trialTheta = 0;
            foreach (double defect in _trialDefects)
            {
                trialTheta += Math.Abs(defect);
            }

            for (int i = 0; i < _count; i++)
            {
                trialTheta += Math.Abs(_trialG[i] - _s[i] - (alpha * _ds[i]));
            }

            double trialPhi = BarrierCost(mu, _trialX, _trialU, alpha);
            if (!double.IsFinite(trialTheta) || !double.IsFinite(trialPhi) || trialTheta > largeTheta || Filtered(trialTheta, trialPhi - rounding))
            {
                continue;
            }

            bool switching = slope < 0 && alpha * Math.Pow(-slope, SwitchPhi) > Math.Pow(theta, SwitchTheta);
            bool descends = trialPhi - rounding <= phi + (Armijo * alpha * slope);
            bool accepted = theta <= smallTheta && switching
                ? descends
                : trialTheta <= (1 - FilterTheta) * theta || trialPhi - rounding <= phi - (FilterPhi * theta);
            if (!accepted)
            {
                continue;
            }

            if (!(switching && descends))
            {
                _filter.Add(((1 - FilterTheta) * theta, phi - (FilterPhi * theta)));
            }

            Accept(mu, alpha, dual);
            return true;
        }

        return false;
    }

    private bool Filtered(double theta, double phi)
    {
        foreach ((double filterTheta, double filterPhi) in _filter)
        {
            if (theta >= filterTheta && phi >= filterPhi)
            {
                return true;
            }
        }

        return false;
    }

    private void Accept(double mu, double primal, double dual)
    {
        Array.Copy(_trialX, _x, _x.Length);
        Array.Copy(_trialU, _u, _u.Length);
        for (int i = 0; i < _y.Length; i++)
        {
            _y[i] += primal * (_newY[i] - _y[i]);
        }

        for (int i = 0; i < _count; i++)
        {
            _s[i] += primal * _ds[i];
            _lambda[i] = Math.Clamp(_lambda[i] + (dual * _dlambda[i]), mu / (MultiplierBand * _s[i]), MultiplierBand * mu / _s[i]);
        }
    }

    private UnicycleSolution Result(double residual, int iterations, bool converged)
    {
        int knots = _problem.Knots;
        int agents = _nlp.Agents;
        var positions = new double[agents * knots * 2];
        var controls = new double[agents * (knots - 1) * 2];
        double violation = 0;
        foreach (double defect in _defects)
        {
            violation = Math.Max(violation, Math.Abs(defect));
        }

        for (int i = 0; i < _count; i++)
        {
            violation = Math.Max(violation, -_g[i]);
        }

        for (int a = 0; a < agents; a++)
        {
            for (int k = 0; k < knots; k++)
            {
                int s = (k * _n) + (UnicycleTranscription.StateSize * a);
                int p = 2 * ((a * knots) + k);
                (positions[p], positions[p + 1]) = (_x[s], _x[s + 1]);
                if (k < _stages)
                {
                    int c = (k * _m) + (UnicycleTranscription.ControlSize * a);
                    int q = 2 * ((a * (knots - 1)) + k);
                    (controls[q], controls[q + 1]) = (_u[c], _u[c + 1]);
                }
            }
        }

        return new UnicycleSolution(positions, controls, _nlp.Cost(_x, _u), violation, residual, iterations, converged);
    }

    private static bool Factor(double[] matrix, int size)
    {
        // Cholesky in the lower half; a pivot below this share of the matrix' scale counts as not positive.
        const double Smallest = 1e-12;
        for (int i = 0; i < size; i++)
        {
            for (int j = 0; j <= i; j++)
            {
                double sum = 0.5 * (matrix[(i * size) + j] + matrix[(j * size) + i]);
                if (i == j)
                {
                    sum = matrix[(i * size) + i];
                }

                for (int c = 0; c < j; c++)
                {
                    sum -= matrix[(i * size) + c] * matrix[(j * size) + c];
                }

                if (i != j)
                {
                    matrix[(i * size) + j] = sum / matrix[(j * size) + j];
                }
                else if (sum > Smallest)
                {
                    matrix[(i * size) + i] = Math.Sqrt(sum);
                }
                else
                {
                    return false;
                }
            }
        }

        return true;
    }

    private static void SolveFactored(double[] factor, int size, Span<double> right, int columns)
    {
        for (int i = 0; i < size; i++)
        {
            for (int c = 0; c < i; c++)
            {
                for (int j = 0; j < columns; j++)
                {
                    right[(i * columns) + j] -= factor[(i * size) + c] * right[(c * columns) + j];
                }
            }

            for (int j = 0; j < columns; j++)
            {
                right[(i * columns) + j] /= factor[(i * size) + i];
            }
        }

        for (int i = size - 1; i >= 0; i--)
        {
            for (int c = i + 1; c < size; c++)
            {
                for (int j = 0; j < columns; j++)
                {
                    right[(i * columns) + j] -= factor[(c * size) + i] * right[(c * columns) + j];
                }
            }

            for (int j = 0; j < columns; j++)
            {
                right[(i * columns) + j] /= factor[(i * size) + i];
            }
        }
    }
}
