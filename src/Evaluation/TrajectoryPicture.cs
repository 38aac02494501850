using System.Globalization;
using System.Text;
using MimicD.Contracts;
using MimicD.World;
using Disc = MimicD.World.Disc;

namespace MimicD.Evaluation;

/// <summary>What to draw.</summary>
/// <param name="Paths">[E,N,T,D] [m]; the first two coordinates are drawn.</param>
/// <param name="Goals">[E,N,D] [m].</param>
/// <param name="Obstacles">Obstacles, the same for all episodes.</param>
/// <param name="Titles">A line above each episode, [E].</param>
/// <param name="Marked">Episodes that are marked as gone wrong, [E].</param>
/// <param name="Contacts">Where contact happened in an episode [m], or null where it did not, [E].</param>
public sealed record PictureContent(
    PathSet Paths, double[] Goals, IReadOnlyList<Disc> Obstacles, IReadOnlyList<string> Titles, IReadOnlyList<bool> Marked, IReadOnlyList<(double X, double Y)?> Contacts)
{
    /// <summary>The content for episodes of a scenario: titled by mode and outcome, marked where strict success failed.</summary>
    /// <param name="scenario">Obstacles, limits, tolerance.</param>
    /// <param name="paths">[E,N,T,D].</param>
    /// <param name="goals">[E,N,D] [m].</param>
    /// <param name="cancellationToken">Gives up within a moment.</param>
    public static PictureContent Of(Scenario scenario, PathSet paths, double[] goals, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(scenario);
        ArgumentNullException.ThrowIfNull(paths);
        var outcomes = Outcomes.Compute(scenario, paths, goals, cancellationToken);
        var contact = scenario.Collision.ContactLimit;
        var (titles, marked, contacts) = (new string[paths.Episodes], outcomes.Collided(contact), new (double X, double Y)?[paths.Episodes]);
        for (var e = 0; e < paths.Episodes; e++)
        {
            var mode = outcomes.Modes is { } modes ? $" · {JointModes.Name(scenario, modes[e])}" : "";
            contacts[e] = marked[e] ? Contact(scenario, paths, e, contact, cancellationToken) : null;
            var missed = outcomes.FinalToGoal[e] > scenario.GoalTolerance;
            titles[e] = $"episode {e}{mode}{(marked[e] ? " · contact" : "")}{(missed ? " · goal missed" : "")}";
            marked[e] |= missed;
        }

        return new PictureContent(paths, goals, scenario.Obstacles, titles, marked, contacts);
    }

    private static (double X, double Y) Contact(Scenario scenario, PathSet paths, int episode, CollisionLimit limit, CancellationToken cancellationToken)
    {
        var pair = Distances.ClosestApproach(paths, episode, cancellationToken);
        if (pair.Distance < limit.Pair)
        {
            var (a, b) = (paths.At(episode, pair.First, pair.Time).ToArray(), paths.At(episode, pair.Second, pair.Time).ToArray());
            return ((a[0] + b[0]) / 2, (a[1] + b[1]) / 2);
        }

        var nearest = (Distance: double.PositiveInfinity, X: 0.0, Y: 0.0);
        foreach (var obstacle in scenario.Obstacles)
        {
            for (var i = 0; i < paths.Agents * paths.Times; i++)
            {
                var p = paths.At(episode, i / paths.Times, i % paths.Times);
                var distance = PathSet.Distance(p, obstacle.Centre);
                if (distance < nearest.Distance)
                {
                    nearest = (distance, p[0], p[1]);
                }
            }
        }

        return (nearest.X, nearest.Y);
    }
}

/// <summary>
/// Trajectories as one self-contained SVG: starts are rings, goals crosses, one colour an agent, dots at equal times that grow stronger as
/// time goes on, and a dot that runs along each path where the viewer animates. It brings its own background, light or dark as the viewer prefers.
/// </summary>
public static class TrajectoryPicture
{
    private const double PanelWidth = 300;
    private const double TitleHeight = 24;

    /// <summary>Width of a character of a bold title, on average.</summary>
    private const double TitleCharacter = 7.2;
    private const double Gap = 14;
    private const double MaxPanelHeight = 300;
    private const int TimeDots = 10;
    private const int ManyAgents = 12;
    private const int MovingAgents = 64;
    private const int MaxPanelPaths = 600;
    private const int MaxOverlayPaths = 4000;
    private const int MaxPathPoints = 160;
    private const int LoopSeconds = 8;

    // Okabe and Ito's palette (2008), which stays apart for colour-blind eyes; more agents walk round the colour wheel instead.
    private static readonly string[] Palette = ["#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00"];

    /// <summary>One panel an episode.</summary>
    /// <param name="content">What to draw.</param>
    /// <param name="caption">A line at the top.</param>
    /// <param name="episodes">Episodes drawn, at most that many, the first ones; fewer where agents are so many that the file would grow out of hand.</param>
    /// <param name="columns">Panels side by side.</param>
    /// <param name="cancellationToken">Gives up within a moment.</param>
    public static string Panels(PictureContent content, string caption, int episodes = 12, int columns = 4, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(content);
        var count = Math.Clamp(MaxPanelPaths / content.Paths.Agents, 1, Math.Min(episodes, content.Paths.Episodes));
        var view = new View(content, count, content.Paths.Agents > ManyAgents ? 1.5 * PanelWidth : PanelWidth);
        columns = Math.Min(content.Paths.Agents > ManyAgents ? 2 : columns, count);
        var rows = (count + columns - 1) / columns;
        var width = Gap + columns * (view.Width + Gap);
        var height = Gap + TitleHeight + rows * (TitleHeight + view.Height + Gap);
        var svg = Open(width, height, caption);
        for (var e = 0; e < count; e++)
        {
            var (x, y) = (Gap + e % columns * (view.Width + Gap), Gap + TitleHeight + e / columns * (TitleHeight + view.Height + Gap));
            svg.Append(CultureInfo.InvariantCulture, $"<g transform=\"translate({x:0.#} {y:0.#})\">\n");
            // A title that would run into the next panel is set narrower.
            var narrowed = content.Titles[e].Length * TitleCharacter > view.Width ? $" textLength=\"{view.Width:0.#}\" lengthAdjust=\"spacingAndGlyphs\"" : "";
            svg.Append(CultureInfo.InvariantCulture, $"<text class=\"{(content.Marked[e] ? "bad" : "t")}\" x=\"1\" y=\"{TitleHeight - 7}\"{narrowed}>{Escape(content.Titles[e])}</text>\n");
            svg.Append(CultureInfo.InvariantCulture, $"<g transform=\"translate(0 {TitleHeight})\">\n");
            Frame(svg, content, view);
            for (var n = 0; n < content.Paths.Agents; n++)
            {
                cancellationToken.ThrowIfCancellationRequested();
                DrawAgent(svg, content, view, e, n);
            }

            if (content.Contacts[e] is var (mx, my))
            {
                svg.Append(CultureInfo.InvariantCulture, $"<circle class=\"hit\" cx=\"{view.X(mx):0.0}\" cy=\"{view.Y(my):0.0}\" r=\"11\"/>\n");
            }

            svg.Append("</g></g>\n");
        }

        return svg.Append("</svg>\n").ToString();
    }

    /// <summary>All episodes on top of each other, thin; episodes that went wrong stand out.</summary>
    /// <param name="content">What to draw.</param>
    /// <param name="caption">A line at the top.</param>
    /// <param name="episodes">Episodes drawn, at most that many, the first ones.</param>
    /// <param name="cancellationToken">Gives up within a moment.</param>
    public static string Overlay(PictureContent content, string caption, int episodes = 200, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(content);
        var count = Math.Clamp(MaxOverlayPaths / content.Paths.Agents, 1, Math.Min(episodes, content.Paths.Episodes));
        const double width = 860;
        var view = new View(content, count, width);
        var svg = Open(width + 2 * Gap, view.Height + TitleHeight + 2 * Gap, caption);
        svg.Append(CultureInfo.InvariantCulture, $"<g transform=\"translate({Gap} {Gap + TitleHeight})\">\n");
        Frame(svg, content, view);
        // Fainter the more there are, so that the density stays readable.
        var opacity = Math.Clamp(6.0 / count, 0.12, 0.8);
        for (var e = 0; e < count; e++)
        {
            for (var n = 0; n < content.Paths.Agents; n++)
            {
                cancellationToken.ThrowIfCancellationRequested();
                var style = content.Marked[e] ? "class=\"badpath\"" : string.Create(CultureInfo.InvariantCulture, $"stroke=\"{Colour(n, content.Paths.Agents)}\" stroke-opacity=\"{opacity:0.00}\"");
                svg.Append(CultureInfo.InvariantCulture, $"<path fill=\"none\" stroke-width=\"1.3\" {style} d=\"{PathData(content.Paths, view, e, n)}\"/>\n");
            }
        }

        return svg.Append("</g></svg>\n").ToString();
    }

    private static StringBuilder Open(double width, double height, string caption)
    {
        var svg = new StringBuilder();
        svg.Append(CultureInfo.InvariantCulture, $"<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width:0.#} {height:0.#}\" width=\"{width:0.#}\" height=\"{height:0.#}\" role=\"img\">\n");
        svg.Append(CultureInfo.InvariantCulture, $"<title>{Escape(caption)}</title>\n");
        svg.Append("""
            <style>
            text { font: 12px system-ui, 'Segoe UI', Helvetica, Arial, sans-serif; }
            .page { fill: #ffffff } .panel { fill: #f6f7f9; stroke: #d9dde3 } .t { fill: #333a44 } .c { fill: #333a44; font-size: 14px; font-weight: 600 }
            .bad { fill: #c62828; font-weight: 600 } .hit { fill: none; stroke: #c62828; stroke-width: 2 } .badpath { stroke: #c62828; stroke-opacity: .7 } .obstacle { fill: #c3c9d2; stroke: #8f98a6 }
            @media (prefers-color-scheme: dark) {
            .page { fill: #0d1117 } .panel { fill: #161b22; stroke: #30363d } .t, .c { fill: #d5dbe3 }
            .bad { fill: #ff7b72 } .hit { stroke: #ff7b72 } .badpath { stroke: #ff7b72 } .obstacle { fill: #3b4350; stroke: #6b7585 } }
            @media (prefers-reduced-motion: reduce) { .moving { display: none } }
            </style>

            """);
        svg.Append(CultureInfo.InvariantCulture, $"<rect class=\"page\" width=\"{width:0.#}\" height=\"{height:0.#}\" rx=\"8\"/>\n<text class=\"c\" x=\"{Gap}\" y=\"{Gap + 10}\">{Escape(caption)}</text>\n");
        return svg;
    }

    private static void Frame(StringBuilder svg, PictureContent content, View view)
    {
        svg.Append(CultureInfo.InvariantCulture, $"<rect class=\"panel\" width=\"{view.Width:0.#}\" height=\"{view.Height:0.#}\" rx=\"5\"/>\n");
        foreach (var o in content.Obstacles)
        {
            svg.Append(CultureInfo.InvariantCulture, $"<circle class=\"obstacle\" cx=\"{view.X(o.Centre[0]):0.0}\" cy=\"{view.Y(o.Centre[1]):0.0}\" r=\"{o.Radius * view.Scale:0.0}\"/>\n");
        }
    }

    private static void DrawAgent(StringBuilder svg, PictureContent content, View view, int episode, int agent)
    {
        var paths = content.Paths;
        var colour = Colour(agent, paths.Agents);
        var few = paths.Agents <= ManyAgents;
        var start = paths.At(episode, agent, 0);
        var goal = content.Goals.AsSpan((episode * paths.Agents + agent) * paths.Dimensions, paths.Dimensions);
        svg.Append(CultureInfo.InvariantCulture, $"<g stroke=\"{colour}\" fill=\"none\">");
        svg.Append(CultureInfo.InvariantCulture, $"<path stroke-width=\"{(few ? 1.6 : 0.7)}\" stroke-opacity=\"{(few ? 0.75 : 0.5)}\" d=\"{PathData(paths, view, episode, agent)}\"/>");
        var (gx, gy) = (view.X(goal[0]), view.Y(goal[1]));
        var arm = few ? 5 : 2;
        svg.Append(CultureInfo.InvariantCulture, $"<path stroke-width=\"{(few ? 2 : 1)}\" d=\"M{gx - arm:0.0} {gy - arm:0.0}l{2 * arm} {2 * arm}m0 {-2 * arm}l{-2 * arm} {2 * arm}\"/>");
        if (few)
        {
            svg.Append(CultureInfo.InvariantCulture, $"<circle stroke-width=\"2\" cx=\"{view.X(start[0]):0.0}\" cy=\"{view.Y(start[1]):0.0}\" r=\"5\"/>");
            svg.Append(CultureInfo.InvariantCulture, $"<g fill=\"{colour}\" stroke=\"none\">");
            for (var k = 1; k <= TimeDots; k++)
            {
                var p = paths.At(episode, agent, k * (paths.Times - 1) / TimeDots);
                svg.Append(CultureInfo.InvariantCulture, $"<circle cx=\"{view.X(p[0]):0.0}\" cy=\"{view.Y(p[1]):0.0}\" r=\"2.6\" opacity=\"{0.25 + 0.75 * k / TimeDots:0.00}\"/>");
            }

            svg.Append("</g>");
        }

        if (paths.Agents > MovingAgents)
        {
            svg.Append("</g>\n");
            return;
        }

        // Seen without animation, the running dot stands on the start.
        svg.Append(CultureInfo.InvariantCulture, $"<circle class=\"moving\" fill=\"{colour}\" stroke=\"none\" r=\"{(few ? 4.5 : 2)}\" cx=\"{view.X(start[0]):0.0}\" cy=\"{view.Y(start[1]):0.0}\">");
        Animate(svg, "cx", Times(paths).Select(t => view.X(paths.At(episode, agent, t)[0])));
        Animate(svg, "cy", Times(paths).Select(t => view.Y(paths.At(episode, agent, t)[1])));
        svg.Append("</circle></g>\n");
    }

    private static void Animate(StringBuilder svg, string attribute, IEnumerable<double> values)
        => svg.Append(CultureInfo.InvariantCulture, $"<animate attributeName=\"{attribute}\" dur=\"{LoopSeconds}s\" repeatCount=\"indefinite\" values=\"")
            .AppendJoin(';', values.Select(v => v.ToString("0.0", CultureInfo.InvariantCulture))).Append("\"/>");

    private static string PathData(PathSet paths, View view, int episode, int agent)
    {
        var data = new StringBuilder();
        foreach (var t in Times(paths))
        {
            var p = paths.At(episode, agent, t);
            data.Append(CultureInfo.InvariantCulture, $"{(t == 0 ? "M" : "L")}{view.X(p[0]):0.0} {view.Y(p[1]):0.0}");
        }

        return data.ToString();
    }

    /// <summary>The times that are drawn: all of them, or evenly spaced ones where they are very many; the first and the last always.</summary>
    private static IEnumerable<int> Times(PathSet paths)
    {
        var points = Math.Min(paths.Times, MaxPathPoints);
        return Enumerable.Range(0, points).Select(k => points == 1 ? 0 : (int)((long)k * (paths.Times - 1) / (points - 1)));
    }

    private static string Colour(int agent, int agents) => agents <= Palette.Length
        ? Palette[agent]
        : string.Create(CultureInfo.InvariantCulture, $"hsl({360.0 * agent / agents:0} 65% 48%)");

    // On one line: a caption is one.
    private static string Escape(string text) => Printable.Xml(text.ReplaceLineEndings(" "));

    /// <summary>Maps the world's metres to a panel's pixels; y points up in the world and down in SVG.</summary>
    private sealed class View
    {
        private readonly double _left;
        private readonly double _top;

        public View(PictureContent content, int episodes, double width)
        {
            var paths = content.Paths;
            var (x0, x1, y0, y1) = (double.PositiveInfinity, double.NegativeInfinity, double.PositiveInfinity, double.NegativeInfinity);
            void Include(double x, double y, double r)
            {
                (x0, x1, y0, y1) = (Math.Min(x0, x - r), Math.Max(x1, x + r), Math.Min(y0, y - r), Math.Max(y1, y + r));
            }

            for (var i = 0; i < episodes * paths.Agents * paths.Times; i++)
            {
                Include(paths.Positions[i * paths.Dimensions], paths.Positions[i * paths.Dimensions + 1], 0);
            }

            for (var i = 0; i < episodes * paths.Agents; i++)
            {
                Include(content.Goals[i * paths.Dimensions], content.Goals[i * paths.Dimensions + 1], 0);
            }

            foreach (var o in content.Obstacles)
            {
                Include(o.Centre[0], o.Centre[1], o.Radius);
            }

            var margin = 0.06 * Math.Max(Math.Max(x1 - x0, y1 - y0), 1e-6);
            (x0, x1, y0, y1) = (x0 - margin, x1 + margin, y0 - margin, y1 + margin);
            Width = width;
            var tallest = MaxPanelHeight * width / PanelWidth;
            Scale = Math.Min(width / (x1 - x0), tallest / (y1 - y0));
            Height = Math.Max((y1 - y0) * Scale, 60);
            _left = (x0 + x1) / 2 - width / Scale / 2;
            _top = (y0 + y1) / 2 + Height / Scale / 2;
        }

        public double Width { get; }

        public double Height { get; }

        public double Scale { get; }

        public double X(double x) => (x - _left) * Scale;

        public double Y(double y) => (_top - y) * Scale;
    }
}
